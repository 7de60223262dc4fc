/** One of the gateways of a location, picked at random. @param colo A data centre, or a name that stands for none. */
export function gatewayAt(env: Env, colo: string): ReturnType<Env["GATEWAY"]["getByName"]> {
  const shard = Math.floor(Math.random() * Math.max(1, Number(env.GATEWAY_SHARDS)));
  return env.GATEWAY.getByName(`${colo}-${shard}`);
}
