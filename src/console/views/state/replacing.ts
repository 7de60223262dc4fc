import type { GetStateResult } from "../../../../rpc/index.ts";

/** What a state is put with so that it replaces the one that was read, and no other. */
export function replacing({ revision, epoch }: GetStateResult): { expectedRevision: number; epoch?: string } {
  return { expectedRevision: revision, ...(epoch === undefined ? {} : { epoch }) };
}
