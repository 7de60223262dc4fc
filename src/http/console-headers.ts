/** The headers of the console: of its page, which the Worker serves, and of its files, into `_headers` by scripts/build-console.ts. */

/**
 * What the page may load, run and speak to: this server and nothing else, no inline script or style, and no markup made of
 * text (`require-trusted-types-for`). Whatever a stream holds is shown as text; this holds should that fail.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const COMMON = { "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer" };

/** Of the page: asked for again at each visit, since the names in it change with each build. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  ...COMMON,
  "Content-Security-Policy": CONTENT_SECURITY_POLICY,
  "Cache-Control": "no-cache",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
};

/** Of files whose names tell their content. */
export const ASSET_HEADERS: Readonly<Record<string, string>> = {
  ...COMMON,
  "Cache-Control": "public, max-age=31536000, immutable",
  "Cross-Origin-Resource-Policy": "same-origin",
};
