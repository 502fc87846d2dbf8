import { describe, expect, it } from '@jest/globals';
import { ConsulError } from '../../../src/consul/errors.ts';
import { TokenEnd } from '../../../src/consul/token-end.ts';
import { settled } from '../clock.ts';
import { answer, Answers, type Said } from './answers.ts';

const CREATED = '2026-11-01T12:00:00Z';
const token = (ExpirationTime?: string, CreateTime = CREATED) =>
  answer({ AccessorID: 'a', CreateTime, ...(ExpirationTime ? { ExpirationTime } : {}) });
const END = '2026-11-30T12:00:00Z';

/** What is known of the end of a token, which the test may replace. */
function stage(said: Said[]) {
  const answers = new Answers(() => said.shift() ?? new Error('asked too often'));
  const client = { tokenTerm: 1, get: (request: Parameters<Answers['get']>[0]) => answers.get(request) };
  const end = new TokenEnd(client);
  const look = async () => {
    end.look();
    await settled();
    return end.look()?.end.toISOString();
  };
  return { client, answers, look, created: () => end.look()?.created?.toISOString() };
}

describe('the end of the token', () => {
  it('is asked for once', async () => {
    const { answers, look } = stage([token(END)]);
    expect([await look(), await look()]).toEqual(['2026-11-30T12:00:00.000Z', '2026-11-30T12:00:00.000Z']);
    expect(answers.asked).toEqual(['/acl/token/self']);
  });

  it('comes with the time at which the token was made, where Consul says it', async () => {
    const { client, look, created } = stage([token(END), token(END, '')]);
    await look();
    expect(created()).toBe('2026-11-01T12:00:00.000Z');
    client.tokenTerm = 2;
    expect(await look()).toBe('2026-11-30T12:00:00.000Z');
    expect(created()).toBeUndefined();
  });

  it('is asked for again when there is another token', async () => {
    const { client, look } = stage([token(END), token('2026-12-01T12:00:00Z'), token()]);
    expect(await look()).toBe('2026-11-30T12:00:00.000Z');
    client.tokenTerm = 2;
    expect(await look()).toBe('2026-12-01T12:00:00.000Z');
    client.tokenTerm = 3;
    expect(await look()).toBeUndefined();
  });

  it('is unknown where ACLs are off, and where Consul does not answer until it does', async () => {
    const off = stage([new ConsulError('read own token', 401, 'ACL support disabled')]);
    expect(await off.look()).toBeUndefined();
    expect(off.answers.asked).toHaveLength(1);
    const away = stage([new ConsulError('read own token', 0, ''), token(END)]);
    expect(await away.look()).toBeUndefined();
    expect(await away.look()).toBe('2026-11-30T12:00:00.000Z');
  });

  it('stays when Consul does not know the token, for it has ended or is not there yet, and is asked for again', async () => {
    const unknown = new ConsulError('read own token', 403, 'ACL not found');
    const { client, look } = stage([token(END), unknown, unknown, token('2026-12-01T12:00:00Z')]);
    await look();
    client.tokenTerm = 2;
    expect(await look()).toBe('2026-11-30T12:00:00.000Z');
    await look();
    expect(await look()).toBe('2026-12-01T12:00:00.000Z');
  });
});
