import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from "vscode-jsonrpc/node.js";
import type { MessageConnection } from "vscode-jsonrpc/node.js";

/** A name in a text that is marked: `‹name›`. */
const MARKED = /‹([^›]+)›/g;

type Hover = { contents: { value: string } } | null;

/** The language server of TypeScript, as an editor talks to it (Language Server Protocol 3.17, over stdio). */
export class LanguageServer implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #connection: MessageConnection;
  readonly #folder: string;

  private constructor(child: ChildProcessWithoutNullStreams, folder: string) {
    this.#child = child;
    this.#folder = folder;
    this.#connection = createMessageConnection(
      new StreamMessageReader(child.stdout),
      new StreamMessageWriter(child.stdin),
    );
    // It asks for settings and the like, of which there are none.
    this.#connection.onRequest(() => null);
    this.#connection.listen();
  }

  /**
   * Starts it on a folder.
   *
   * @param tsc The compiler, which has the server in it.
   */
  static async start(tsc: string, folder: string): Promise<LanguageServer> {
    const server = new LanguageServer(spawn(process.execPath, [tsc, "--lsp", "--stdio"]), folder);
    await server.#connection.sendRequest("initialize", {
      processId: process.pid,
      rootUri: pathToFileURL(folder).href,
      capabilities: { textDocument: { hover: { contentFormat: ["markdown"] } } },
    });
    await server.#connection.sendNotification("initialized", {});
    return server;
  }

  /**
   * What an editor shows of each marked name of a file, in their order: the signature, and what is written about it.
   *
   * @param marked The text, with each name that is asked for in ‹marks›.
   */
  async hovers(name: string, marked: string): Promise<{ name: string; signature: string; about: string }[]> {
    const path = join(this.#folder, name);
    const uri = pathToFileURL(path).href;
    await writeFile(path, marked.replaceAll(MARKED, "$1"));
    const text = await readFile(path, "utf8");
    await this.#connection.sendNotification("textDocument/didOpen", {
      textDocument: { uri, languageId: "typescript", version: 1, text },
    });
    return Promise.all(
      [...marked.matchAll(MARKED)].map(async ({ 1: token = "", index }, count) => {
        // Of each name before it, two marks are gone.
        const lines = text.slice(0, index - 2 * count).split("\n");
        const position = { line: lines.length - 1, character: (lines.at(-1) ?? "").length };
        const hover: Hover = await this.#connection.sendRequest("textDocument/hover", {
          textDocument: { uri },
          position,
        });
        const [, signature = "", about = ""] = /^```\w*\n(.*?)\n```\n?(.*)$/s.exec(hover?.contents.value ?? "") ?? [];
        return { name: token, signature, about };
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.sendRequest("shutdown");
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    await this.#connection.sendNotification("exit");
    await ended;
    this.#connection.dispose();
  }
}
