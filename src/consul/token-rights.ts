import type { ConsulClient } from './client.ts';
import { ConsulError } from './errors.ts';
import { mayToken } from './own-token.ts';
import { rightId, type ConsulRight } from './rights.ts';

type Asked = Pick<ConsulClient, 'post'>;

/**
 * Whether the token may write each of these. (On Consul 1.22.0 a policy that was mended counted 2 ms later, with 0.6 ms for the
 * question. `acl/token/self` shows nothing of that: neither its index nor its hash moves with a policy, nor does `expanded` add
 * the rules for a token that may not read ACLs. An agent that is no server answers by what it keeps for `acl.policy_ttl`, 30 s
 * by default.)
 * @throws as `mayToken`
 */
export function readRights(client: Asked, rights: readonly ConsulRight[]): Promise<boolean[]> {
  return mayToken(
    client,
    rights.map(({ resource, name }) => ({ resource, segment: name, access: 'write' as const })),
  );
}

/** What a token may write, each right asked for once: for a command, which ends in a moment. */
export class TokenRights {
  readonly #client: Asked;
  readonly #known = new Map<string, boolean>();
  #isOff = false;

  constructor(client: Asked) {
    this.#client = client;
  }

  /** After that `isDenied` says it of each of these. @throws ConsulError, UntrustworthyAnswer where Consul does not tell */
  async learn(rights: readonly ConsulRight[]): Promise<void> {
    const open = this.#isOff ? [] : rights.filter((right) => !this.#known.has(rightId(right)));
    if (open.length === 0) return;
    const allowed = await this.#read(open);
    open.forEach((right, i) => this.#known.set(rightId(right), allowed[i] ?? true));
  }

  isDenied(right: ConsulRight): boolean {
    return this.#known.get(rightId(right)) === false;
  }

  async #read(rights: readonly ConsulRight[]): Promise<boolean[]> {
    try {
      return await readRights(this.#client, rights);
    } catch (error) {
      if (!areAclsOff(error)) throw error;
      this.#isOff = true;
      return [];
    }
  }
}

function areAclsOff(error: unknown): boolean {
  return error instanceof ConsulError && error.status === 401 && error.detail.includes('ACL support disabled');
}
