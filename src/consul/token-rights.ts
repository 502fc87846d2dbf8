import { isObject } from '../json.ts';
import type { ConsulClient } from './client.ts';
import { ConsulError, UntrustworthyAnswer } from './errors.ts';
import { rightId, type ConsulRight } from './rights.ts';

/** Consul takes no more in one question. */
export const MOST_RIGHTS = 64;

type Asked = Pick<ConsulClient, 'post'>;

/**
 * Whether the token has each of these rights, at most MOST_RIGHTS. The question is that of Consul's own UI: any token may ask it about
 * itself, nothing is written for it, and a server answers it by the policies of the moment. (On 1.22.0 a policy that was
 * mended counted 2 ms later, with 0.6 ms for the question. `acl/token/self` shows nothing of that: neither its index nor its
 * hash moves with a policy, nor does `expanded` add the rules for a token that may not read ACLs. An agent that is no server
 * answers by what it keeps for `acl.policy_ttl`, 30 s by default.)
 * @throws ConsulError, UntrustworthyAnswer where Consul does not tell
 */
export async function readRights(client: Asked, rights: readonly ConsulRight[]): Promise<boolean[]> {
  const purpose = 'ask what the token may write';
  const asked = rights.map(({ resource, name }) => ({ Resource: resource, Segment: name, Access: 'write' }));
  const { body } = await client.post({ purpose, path: '/internal/acl/authorize', json: JSON.stringify(asked) });
  const answers = Array.isArray(body) ? body.map((answer: unknown) => isObject(answer) && answer.Allow) : [];
  if (answers.length !== rights.length || answers.some((allowed) => typeof allowed !== 'boolean'))
    throw new UntrustworthyAnswer(purpose, 'an answer of another shape');
  return answers as boolean[];
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
    for (let first = 0; first < open.length && !this.#isOff; first += MOST_RIGHTS) {
      const some = open.slice(first, first + MOST_RIGHTS);
      const allowed = await this.#read(some);
      some.forEach((right, i) => this.#known.set(rightId(right), allowed[i] ?? true));
    }
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
