/**
 * An entry of Consul's catalog that must be there for our token. A token that was deleted reads as anonymous and gets 200,
 * empty, without the header that says "filtered"; a Consul that was rebuilt answers with an empty catalog, and so does another
 * Consul at the same address. In all of these the witness is missing too.
 */
export interface Witness {
  /** @throws UntrustworthyAnswer when it is missing; ConsulError when it could not be read */
  assertThere(signal?: AbortSignal): Promise<void>;
}
