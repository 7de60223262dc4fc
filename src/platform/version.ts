/** Name and version of this server, as package.json has them; a test compares the two. */
export const SERVER = { name: "durable-stream", version: "0.1.0" } as const;
