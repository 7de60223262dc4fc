import { Log, LogLevel } from "miniflare";

/**
 * What Miniflare has to tell of its runtime, such as that it is started again after a crash, as one line of JSON each: like
 * those of the Worker (src/platform/log.ts).
 */
export class RuntimeLog extends Log {
  constructor() {
    super(LogLevel.WARN);
  }

  override logWithLevel(level: LogLevel, message: string): void {
    if (level <= this.level) {
      const name = level === LogLevel.ERROR ? "error" : "warn";
      console.error(JSON.stringify({ level: name, what: "the runtime of this machine", message }));
    }
  }
}
