/**
 * The Worker, counted: `GET /counters` tells what it did so far, and `POST /pass?ms=…` lets time pass, with the alarms that
 * come due in it.
 */
import worker, { DurableStreams, Gateway as PlainGateway, Stream as PlainStream, Upload } from "../../../src/worker.ts";
import { countAlarm, counted, countFrame, countingEnv, countingState, passTime, takeDueAlarm } from "./counting.ts";

export { DurableStreams, Upload };

/** A gateway, counted. */
export class Gateway extends PlainGateway {
  readonly #state: DurableObjectState;

  constructor(ctx: DurableObjectState, env: Env) {
    super(countingState(ctx), countingEnv(env));
    this.#state = ctx;
  }

  override webSocketMessage(ws: WebSocket, frame: string | ArrayBuffer): Promise<void> | void {
    countFrame();
    return super.webSocketMessage(ws, frame);
  }

  override alarm(): void {
    countAlarm();
    super.alarm();
  }

  /** Does what the runtime does when the time of an alarm has come. */
  async fireDueAlarm(): Promise<void> {
    if (takeDueAlarm(this.#state)) {
      this.alarm();
    }
  }
}

/** A stream, counted. */
export class Stream extends PlainStream {
  readonly #state: DurableObjectState;

  constructor(ctx: DurableObjectState, env: Env) {
    super(countingState(ctx), countingEnv(env));
    this.#state = ctx;
  }

  override alarm(): void {
    countAlarm();
    super.alarm();
  }

  /** Does what the runtime does when the time of an alarm has come. */
  async fireDueAlarm(): Promise<void> {
    if (takeDueAlarm(this.#state)) {
      this.alarm();
    }
  }
}

type Firing = { getByName(name: string): { fireDueAlarm(): Promise<void> } };

export default {
  async fetch(request, env, ctx): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/counters") {
      return Response.json(counted());
    }
    if (pathname === "/pass") {
      const namespaces: Record<string, Firing | undefined> = env as never;
      for (const [binding, names] of passTime(Number(searchParams.get("ms")))) {
        // By the plain namespaces: these calls are not the Worker's.
        await Promise.all(names.map(async (name) => namespaces[binding]?.getByName(name).fireDueAlarm()));
      }
      return Response.json({});
    }
    return worker.fetch(request, countingEnv(env), ctx);
  },
} satisfies ExportedHandler<Env>;
