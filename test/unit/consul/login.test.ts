import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConsulError } from '../../../src/consul/errors.ts';
import { Login } from '../../../src/consul/login.ts';
import { settled, TestClock } from '../clock.ts';
import { TestLog } from '../log.ts';

const GONE = new ConsulError('read', 403, 'ACL not found');
let folder: string;

beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'consul-login-'))));
afterAll(() => rm(folder, { recursive: true }));

/** Consul's side of it: which tokens there are, and what was asked. */
class Stage {
  readonly clock = new TestClock();
  readonly log = new TestLog();
  readonly bearers: string[] = [];
  readonly tokens = new Set<string>();
  readonly ended: string[] = [];
  readonly bearerTokenFile = join(folder, `bearer-${Math.random()}`);
  /** Seconds; undefined for no end. */
  lifeS: number | undefined = 600;
  refusal: Error | undefined;
  /** How often the server does not know a new token yet. */
  unknown = 0;
  readonly login = new Login({
    login: { authMethod: 'kubernetes', bearerTokenFile: this.bearerTokenFile, meta: { pod: 'a' } },
    clock: this.clock,
    log: this.log,
    random: () => 0.5,
    api: {
      login: ({ BearerToken }) => {
        this.bearers.push(BearerToken);
        if (this.refusal) return Promise.reject(this.refusal);
        const token = `token-${this.bearers.length}`;
        this.tokens.add(token);
        const created = Date.UTC(2031, 1, 1);
        const ExpirationTime =
          this.lifeS === undefined ? {} : { ExpirationTime: new Date(created + this.lifeS * 1000).toISOString() };
        const CreateTime = new Date(created).toISOString();
        return Promise.resolve({ SecretID: token, AccessorID: `${token}-accessor`, CreateTime, ...ExpirationTime });
      },
      isKnown: (token) => Promise.resolve(this.unknown-- <= 0 && this.tokens.has(token)),
      logout: (token) => {
        this.ended.push(token);
        return this.tokens.delete(token) ? Promise.resolve() : Promise.reject(GONE);
      },
    },
  });

  static async open(bearer = 'jwt-1'): Promise<Stage> {
    const stage = new Stage();
    await writeFile(stage.bearerTokenFile, `${bearer}\n`);
    return stage;
  }

  /** Files are read in real time. */
  async advance(ms: number, bearers: number): Promise<void> {
    await this.clock.advance(ms);
    for (let i = 0; i < 1000 && this.bearers.length < bearers; i++) await sleep(2);
    await settled();
  }

  async use(): Promise<string> {
    const use = await this.login.use();
    use.release();
    return use.value;
  }
}

describe('logging in', () => {
  it('is done once for all requests, and the token is kept', async () => {
    const stage = await Stage.open();
    expect(stage.login.failure).toBe('not logged in yet');
    expect(await Promise.all([stage.use(), stage.use()])).toEqual(['token-1', 'token-1']);
    expect(await stage.use()).toBe('token-1');
    expect([stage.bearers, stage.login.failure]).toEqual([['jwt-1'], undefined]);
  });

  it('waits until the server that answers knows the token', async () => {
    const stage = await Stage.open();
    stage.unknown = 2;
    const using = stage.use();
    for (let i = 0; i < 20; i++) await stage.advance(100, 1);
    expect(await using).toBe('token-1');
  });

  it('is done anew after about two thirds of the life of the token, with what the file has by then', async () => {
    const stage = await Stage.open();
    await stage.use();
    await writeFile(stage.bearerTokenFile, 'jwt-2');
    await stage.advance(389_000, 1);
    expect(stage.bearers).toEqual(['jwt-1']);
    await stage.advance(2000, 2);
    expect(stage.bearers).toEqual(['jwt-1', 'jwt-2']);
    expect([await stage.use(), stage.login.term]).toEqual(['token-2', 2]);
  });

  it('ends the token of before when nothing is on its way with it any more', async () => {
    const stage = await Stage.open();
    const use = await stage.login.use();
    await stage.advance(391_000, 2);
    for (let turns = 0; turns < 1000 && !use.superseded?.aborted; turns++) await sleep(2);
    expect([use.superseded?.aborted, stage.ended]).toEqual([true, []]);
    use.release();
    await settled();
    expect(stage.ended).toEqual(['token-1']);
  });

  it('is tried again while the token lives, which is used until then, and no longer', async () => {
    const stage = await Stage.open();
    await stage.use();
    stage.refusal = new ConsulError('log in', 500, 'No cluster leader');
    await stage.advance(391_000, 2);
    await stage.advance(30_000, 3);
    expect(stage.bearers.length).toBeGreaterThan(2);
    expect([await stage.use(), stage.login.failure]).toEqual(['token-1', undefined]);
    expect(stage.log.of('warn')).toContain('cannot log in to Consul, will try again');
    await stage.advance(200_000, 4);
    await expect(stage.use()).rejects.toThrow('log in to Consul by the auth method kubernetes');
    expect(stage.login.failure).toContain('No cluster leader');
    stage.refusal = undefined;
    const { length } = stage.bearers;
    await stage.advance(60_000, length + 1);
    expect([(await stage.use()).startsWith('token-'), stage.login.failure]).toEqual([true, undefined]);
  });

  it('is not tried by each request after it failed', async () => {
    const stage = await Stage.open();
    stage.refusal = new ConsulError('log in', 403, 'Permission denied');
    for (let i = 0; i < 10; i++) await expect(stage.use()).rejects.toThrow('log in to Consul by the auth method');
    expect([stage.bearers, stage.login.failure?.includes('Permission denied')]).toEqual([['jwt-1'], true]);
  });

  it.each([
    ['is missing', undefined, /: read bearer token file/],
    ['is empty', ' \n', /expected a token, found an empty file/],
  ])('says so when the file %s', async (_, text, why) => {
    const stage = new Stage();
    if (text !== undefined) await writeFile(stage.bearerTokenFile, text);
    await expect(stage.use()).rejects.toThrow('log in to Consul');
    expect(stage.login.failure).toMatch(why);
  });

  it('never tells a token', async () => {
    const stage = await Stage.open();
    await stage.use();
    await stage.advance(391_000, 2);
    await stage.login.close();
    expect(JSON.stringify(stage.log.records)).not.toMatch(/jwt|token-\d"/);
  });
});

describe('a token that Consul does not know any more', () => {
  it('is replaced at once when it was old enough', async () => {
    const stage = await Stage.open();
    const use = await stage.login.use();
    await stage.advance(61_000, 1);
    expect(await stage.login.refused(use, GONE)).toBe(true);
    expect(await stage.use()).toBe('token-2');
  });

  it('is replaced after a while when it was young: each login leaves a token', async () => {
    const stage = await Stage.open();
    expect(await stage.login.refused(await stage.login.use(), GONE)).toBe(false);
    await expect(stage.use()).rejects.toThrow('the token was ended soon after it was made');
    await stage.advance(2000, 2);
    expect(await stage.use()).toBe('token-2');
  });

  it('is none of a request with the one before, and a missing right is no reason', async () => {
    const stage = await Stage.open();
    const use = await stage.login.use();
    expect(await stage.login.refused(use, new ConsulError('write', 403, 'Permission denied'))).toBe(false);
    await stage.advance(391_000, 2);
    expect(await stage.login.refused(use, GONE)).toBe(true);
    expect(stage.bearers.length).toBe(2);
  });
});

describe('the end', () => {
  it('logs out after what is on its way, and nobody logs in any more', async () => {
    const stage = await Stage.open();
    const use = await stage.login.use();
    const closing = stage.login.close();
    await stage.clock.advance(100);
    expect(stage.ended).toEqual([]);
    use.release();
    await stage.clock.advance(100);
    await closing;
    expect(stage.ended).toEqual(['token-1']);
    await expect(stage.use()).rejects.toThrow('logged out');
    expect(stage.clock.timers).toBe(0);
  });

  it('does not wait for ever for what is on its way', async () => {
    const stage = await Stage.open();
    await stage.login.use();
    const closing = stage.login.close();
    await stage.clock.advance(5000);
    await closing;
    expect(stage.ended).toEqual(['token-1']);
  });

  it('asks Consul nothing where nobody has logged in', async () => {
    const stage = await Stage.open();
    await stage.login.close();
    expect([stage.bearers, stage.ended]).toEqual([[], []]);
  });
});
