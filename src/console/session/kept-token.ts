/**
 * Where the key or token is kept: in the session storage of this tab, which no other tab and no server sees, and which ends with
 * the tab.
 */
const NAME = "durable-stream.token";

export const keptToken = {
  get: (): string | undefined => sessionStorage.getItem(NAME) ?? undefined,
  set: (token: string): void => sessionStorage.setItem(NAME, token),
  forget: (): void => sessionStorage.removeItem(NAME),
};
