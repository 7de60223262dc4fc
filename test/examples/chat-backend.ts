/**
 * The backend of chat.html: it serves the page, and gives each user a token for what that user may do. Only it has the key.
 *
 *     npm run build:package
 *     ALLOWED_ORIGINS=http://127.0.0.1:8080 npm start
 *     STREAM_URL=http://127.0.0.1:8787 API_KEY=… npx node test/examples/chat-backend.ts
 */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";

const { STREAM_URL, API_KEY, PORT = "8080", TOKEN_MS = "600000" } = process.env;
const root = join(import.meta.dirname, "../..");
const muted = new Set<string>();

/** Everybody reads the chat; who is not muted publishes to it, by their own name only. */
async function tokenFor(user: string): Promise<string> {
  const speak = { streams: ["chat"], actions: ["publish"], subjects: [`said.${user}`] };
  const rights = [{ streams: ["chat"], actions: ["read"] }, ...(muted.has(user) ? [] : [speak])];
  const params = { rights, subject: user, expiresInMs: Number(TOKEN_MS) };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "issueToken", params });
  const headers = { Authorization: `Bearer ${API_KEY}` };
  const response = await fetch(`${STREAM_URL}/rpc`, { method: "POST", headers, body });
  const { result } = (await response.json()) as { result: { token: string } };
  return result.token;
}

async function answer(path: string, user: string): Promise<string> {
  if (path === "/mute") {
    // A real backend lets moderators do this only.
    muted.add(user);
    return "";
  }
  // A real backend knows its users by their sessions: here everybody is who they say.
  return path === "/token"
    ? tokenFor(user)
    : readFile(join(root, path === "/" ? "test/examples/chat.html" : path), "utf8");
}

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://backend");
  const user = /^\w{1,32}$/.exec(searchParams.get("user") ?? "")?.[0] ?? "nobody";
  const isKnown = /^\/(token|mute|dist\/rpc\/[\w/-]+\.js)?$/.test(pathname);
  const type = pathname === "/" ? "text/html" : "text/javascript";
  answer(isKnown ? pathname : "/none", user).then(
    (text) => response.writeHead(200, { "Content-Type": type, "Cache-Control": "no-store" }).end(text),
    () => response.writeHead(404).end(),
  );
});
server.listen(Number(PORT), "127.0.0.1", () => console.log(JSON.stringify(server.address())));
