/** The secrets that a server can do without. Those that it can not, and all else, are in wrangler.toml. */
interface __BaseEnv_Env {
  /** The key before `API_KEY`, while clients change. */
  readonly API_KEY_PREVIOUS?: string;
  /** A JWKS: the keys that tokens are checked by. */
  readonly TOKEN_KEYS?: string;
}
