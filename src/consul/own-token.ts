import { arrayField, expectObject, isObject, stringField, type JsonObject } from '../json.ts';
import type { ConsulClient, ConsulReader } from './client.ts';
import { ConsulError, UntrustworthyAnswer } from './errors.ts';

/** What a Consul ACL rule is about. */
export interface AclAccess {
  readonly resource: 'node' | 'service' | 'key' | 'agent';
  /** The name; of a rule about a prefix the prefix. */
  readonly segment: string;
  readonly access: 'read' | 'write';
}

/** The token that we send, as Consul knows it; never its secret. */
export interface OwnToken {
  readonly accessorId: string;
  /** Names of its policies, without those of its roles. */
  readonly policies: readonly string[];
  readonly roles: readonly { readonly id: string; readonly name: string }[];
  /** RFC 3339. */
  readonly createTime: string;
  /** RFC 3339; empty when it does not end. */
  readonly expirationTime: string;
}

/**
 * | Consul says                                   | the token is              |
 * |-----------------------------------------------|---------------------------|
 * | 401, `ACL support disabled`                   | `disabled`: none is needed |
 * | 403, `ACL not found`                          | `unknown`, or there is none |
 * | 200                                           | known                     |
 *
 * Every token may ask about itself. (Consul 1.22: the rules of its policies are not told, whatever is asked for.)
 */
export async function readOwnToken(client: ConsulReader): Promise<OwnToken | 'disabled' | 'unknown'> {
  try {
    const { body } = await client.get({ purpose: 'read own token', path: '/acl/token/self' });
    const token = expectObject(body, 'own token');
    return {
      accessorId: stringField(token, 'AccessorID'),
      policies: linksIn(token, 'Policies').map(({ name }) => name),
      roles: linksIn(token, 'Roles'),
      createTime: stringField(token, 'CreateTime'),
      expirationTime: stringField(token, 'ExpirationTime'),
    };
  } catch (error) {
    if (error instanceof ConsulError && error.status === 401) return 'disabled';
    if (error instanceof ConsulError && error.status === 403) return 'unknown';
    throw error;
  }
}

function linksIn(token: JsonObject, field: string): { readonly id: string; readonly name: string }[] {
  const links = arrayField(token, field).filter(isObject);
  return links.map((link) => ({ id: stringField(link, 'ID'), name: stringField(link, 'Name') }));
}

/** Consul refuses more of them at a time (1.22). */
export const MOST_QUESTIONS = 64;

/**
 * Whether our token may do each of these, in the same order, as Consul's own authorizer says: the question that its UI asks
 * before it shows a button. Any token may ask it of itself, and none is the anonymous one; nothing is tried, and nothing written.
 * Source: `POST /v1/internal/acl/authorize`, Consul 1.7 and later.
 * @throws ConsulError 401 where ACLs are off, 403 for a token that Consul does not know; UntrustworthyAnswer for an answer of
 *   another shape
 */
export async function mayToken(client: Pick<ConsulClient, 'post'>, asked: readonly AclAccess[]): Promise<boolean[]> {
  const purpose = 'ask for the rights of the token';
  const allowed: boolean[] = [];
  for (let from = 0; from < asked.length; from += MOST_QUESTIONS) {
    const part = asked.slice(from, from + MOST_QUESTIONS);
    const json = JSON.stringify(
      part.map(({ resource, segment, access }) => ({ Resource: resource, Segment: segment, Access: access })),
    );
    const { body } = await client.post({ purpose, path: '/internal/acl/authorize', json });
    const answers = Array.isArray(body) ? body.map((answer: unknown) => isObject(answer) && answer.Allow) : [];
    if (answers.length !== part.length || answers.some((allow) => typeof allow !== 'boolean'))
      throw new UntrustworthyAnswer(purpose, 'an answer of another shape');
    allowed.push(...(answers as boolean[]));
  }
  return allowed;
}
