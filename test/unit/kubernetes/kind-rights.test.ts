import { describe, expect, it } from '@jest/globals';
import { KindRights, RIGHTS_PACE } from '../../../src/kubernetes/kind-rights.ts';
import { TestClock } from '../clock.ts';
import { Requester } from './requester.ts';

const missingIn = (namespace: string) => `list workloadentries.networking.istio.io in namespace ${namespace}`;
const NONE: string[] = [];
const ALL = ['a', 'b'].map(missingIn);

function stage() {
  const clock = new TestClock();
  const world = { allowed: true, evaluationError: '', denied: '' };
  const client = new Requester(({ body }) => {
    const isDenied = JSON.stringify(body).includes(`"namespace":"${world.denied}"`);
    return { status: { ...world, allowed: world.allowed && !isDenied } };
  });
  const kind = { group: 'networking.istio.io', plural: 'workloadentries' };
  const rights = new KindRights({ client, kind, namespaces: ['a', 'b'], pace: RIGHTS_PACE, clock });
  /** What is missing, and with how many questions that was found out. */
  const look = async (had = false) => {
    const before = client.sent.length;
    const missing = [...(await rights.missing(new Set(had ? ['a', 'b'] : []))).values()];
    return { missing, questions: client.sent.length - before };
  };
  return { clock, look, rights, world };
}

describe('our rights', () => {
  it('are asked for once, five for each namespace, and then not for ten minutes', async () => {
    const { clock, look } = stage();
    expect(await look()).toEqual({ missing: NONE, questions: 10 });
    await clock.advance(599_999);
    expect(await look()).toEqual({ missing: NONE, questions: 0 });
    await clock.advance(1);
    expect(await look()).toEqual({ missing: NONE, questions: 10 });
  });

  it('are asked for at once when there is a sign that they changed', async () => {
    const { look, rights, world } = stage();
    await look();
    world.allowed = false;
    expect((await look()).missing).toEqual(NONE);
    rights.forget();
    expect(await look()).toEqual({ missing: ALL, questions: 10 });
  });

  it('of which one is missing are asked for after 15 s, then ever less often, at least every ten minutes', async () => {
    const { clock, look, world } = stage();
    world.allowed = false;
    const seconds: number[] = [];
    for (let second = 0; second <= 3000; second += 15) {
      if ((await look()).questions > 0) seconds.push(second);
      await clock.advance(15_000);
    }
    expect(seconds).toEqual([0, 15, 45, 105, 225, 465, 945, 1545, 2145, 2745]);
  });

  it('are missing in some namespaces and not in others', async () => {
    const { look, world } = stage();
    world.denied = 'b';
    expect(await look()).toEqual({ missing: [missingIn('b')], questions: 10 });
  });

  it('that were there and are missing now are asked for after 15 s again', async () => {
    const { clock, look, world } = stage();
    await look();
    world.allowed = false;
    await clock.advance(600_000);
    expect(await look()).toEqual({ missing: ALL, questions: 10 });
    world.allowed = true;
    await clock.advance(15_000);
    expect(await look()).toEqual({ missing: NONE, questions: 10 });
  });

  it('that an authorizer in trouble cannot tell stay as they were, and are asked for after 15 s again', async () => {
    const { clock, look, rights, world } = stage();
    await look();
    rights.forget();
    Object.assign(world, { allowed: false, evaluationError: 'webhook is down' });
    for (let i = 0; i < 3; i++) {
      expect(await look(true)).toEqual({ missing: NONE, questions: 10 });
      await clock.advance(14_999);
      expect(await look(true)).toEqual({ missing: NONE, questions: 0 });
      await clock.advance(1);
    }
    world.evaluationError = '';
    expect(await look(true)).toEqual({ missing: ALL, questions: 10 });
  });
});
