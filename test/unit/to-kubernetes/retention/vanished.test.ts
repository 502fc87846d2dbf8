import { describe, expect, it } from '@jest/globals';
import type { ServiceInstance } from '../../../../src/consul/types.ts';
import { Vanished } from '../../../../src/to-kubernetes/retention/vanished.ts';
import { instance } from '../../builders.ts';

const SECOND_MS = 30_000;

/** Places of so many instances. */
const places = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `10.20.0.${from + i} 8080`);

/** A direction that is told of answers; its time stands still unless the test moves it. */
class Stage {
  readonly vanished = new Vanished(SECOND_MS);
  now = 0;

  /** An answer in which these places serve, and these others have something that does not. */
  answer(name: string, serving: readonly string[], others: readonly string[] = [], isWhole = true): string[] {
    const instances = serving.map((place): [string, ServiceInstance] => [place, instance({ id: `${name} ${place}` })]);
    const answered = { serving: new Map(instances), places: new Set([...serving, ...others]), isWhole };
    return [...this.vanished.take(name, answered, this.now)].sort();
  }

  /** The second answer says the same. */
  decide(name: string): string[] {
    return [...this.vanished.decide(name, this.now, this.now)].sort();
  }

  retained(name: string): number {
    return this.vanished.instances(name).length;
  }
}

/** With another service that stays as it is, so that it is not everything that vanishes. */
function stageWith(count: number): Stage {
  const stage = new Stage();
  stage.answer('steady', places(200, 50));
  stage.answer('orders', places(count));
  return stage;
}

describe('instances that vanish in masses', () => {
  it('are retained until a second answer 30 s later', () => {
    const stage = stageWith(40);
    expect(stage.answer('orders', [])).toEqual(['orders']);
    expect(stage.retained('orders')).toBe(40);
    expect(stage.vanished.dueMs('orders')).toBe(SECOND_MS);
    stage.now = SECOND_MS - 1;
    stage.decide('orders');
    expect(stage.retained('orders')).toBe(40);
    stage.now = SECOND_MS;
    expect(stage.decide('orders')).toEqual(['orders']);
    expect([stage.retained('orders'), stage.vanished.size]).toEqual([0, 0]);
  });

  it.each([
    ['as few as 20 of 20', 20, 0],
    ['no more than half: 40 of 80', 80, 40],
  ])('are not %s', (_, had, left) => {
    const stage = stageWith(had);
    expect(stage.answer('orders', places(left))).toEqual([]);
    expect(stage.retained('orders')).toBe(0);
  });

  it('are 21 of 41, and of 21 all', () => {
    for (const [had, left] of [
      [41, 20],
      [21, 0],
    ] as const) {
      const stage = stageWith(had);
      stage.answer('orders', places(left));
      expect(stage.retained('orders')).toBe(21);
    }
  });

  it('are none that deregister themselves one by one, how many they are', () => {
    const stage = stageWith(40);
    for (let left = 39; left >= 0; left--) {
      stage.now += 100;
      expect(stage.answer('orders', places(left))).toEqual([]);
    }
    expect(stage.vanished.size).toBe(0);
  });

  it('come back to nobody: an instance that is there again is retained no more, at once', () => {
    const stage = stageWith(40);
    stage.answer('orders', []);
    expect(stage.answer('orders', places(10))).toEqual(['orders']);
    expect(stage.retained('orders')).toBe(30);
    stage.answer('orders', places(40));
    expect(stage.vanished.size).toBe(0);
  });

  it('are retained to their own second answer, also when the event is over for the others', () => {
    const stage = stageWith(40);
    stage.answer('orders', []);
    stage.answer('orders', places(35));
    expect(stage.retained('orders')).toBe(5);
    stage.now = SECOND_MS;
    stage.decide('orders');
    expect(stage.retained('orders')).toBe(0);
  });

  it('are not those of which Consul says something: at their place something is critical, or of another kind', () => {
    const stage = stageWith(40);
    expect(stage.answer('orders', [], places(40))).toEqual([]);
    expect(stage.vanished.size).toBe(0);
    stage.answer('orders', places(40));
    stage.answer('orders', []);
    expect(stage.answer('orders', [], places(3))).toEqual(['orders']);
    expect(stage.retained('orders')).toBe(37);
  });

  it('count no more when they are back and critical: the event is over', () => {
    const stage = stageWith(60);
    stage.answer('few', ['10.20.1.1 80', '10.20.1.2 80', '10.20.1.3 80']);
    stage.answer('steady', [], places(200, 50));
    stage.answer('orders', []);
    expect(stage.retained('orders')).toBe(60);
    stage.answer('orders', [], places(60));
    stage.now = 100 * SECOND_MS;
    stage.answer('orders', []);
    expect(stage.vanished.size).toBe(0);
    stage.answer('few', ['10.20.1.1 80']);
    expect(stage.vanished.size).toBe(0);
  });

  it('count no more a minute after their second answer, also in an event that they were not retained in', () => {
    const stage = stageWith(200);
    stage.answer('orders', places(100));
    stage.now = SECOND_MS;
    stage.decide('orders');
    stage.answer('orders', places(89));
    expect(stage.retained('orders')).toBe(11);
    stage.now = 2 * SECOND_MS;
    stage.decide('orders');
    stage.now = 4 * SECOND_MS;
    stage.answer('orders', places(70));
    expect(stage.vanished.size).toBe(0);
  });

  it('are counted when they were back after their second answer, and are missing again', () => {
    const stage = stageWith(40);
    stage.answer('orders', places(20));
    stage.now = SECOND_MS;
    stage.decide('orders');
    stage.answer('orders', places(40));
    stage.now = 4 * SECOND_MS;
    stage.answer('orders', places(0));
    expect(stage.retained('orders')).toBe(40);
  });

  it('are none while nobody knows whether the answer has all', () => {
    const stage = stageWith(40);
    expect(stage.answer('orders', [], [], false)).toEqual([]);
    expect(stage.vanished.size).toBe(0);
    stage.answer('orders', []);
    expect(stage.retained('orders')).toBe(40);
  });

  it('are those of many services together, the first ones too', () => {
    const stage = new Stage();
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    for (const name of names) stage.answer(name, places(4));
    const changed = names.map((name) => stage.answer(name, []));
    expect(changed.flat().sort()).toEqual(names);
    expect(names.map((name) => stage.retained(name))).toEqual([4, 4, 4, 4, 4, 4, 4]);
  });

  it.each([1, 2, 3, 4])('are those of a Consul that lost everything, of which each service had %s', (each) => {
    const stage = new Stage();
    const names = Array.from({ length: 1000 }, (_, i) => `s${i}`);
    for (const name of names) stage.answer(name, places(each));
    for (const name of names) {
      stage.now += 10;
      stage.answer(name, []);
    }
    expect(stage.vanished.size).toBe(1000 * each);
    stage.now += SECOND_MS;
    for (const name of names) stage.decide(name);
    expect([stage.vanished.size, [...stage.vanished.names()]]).toEqual([0, []]);
  });

  it('are those of a Consul that loses everything one by one, until their second answer', () => {
    const stage = new Stage();
    const names = Array.from({ length: 100 }, (_, i) => `s${i}`);
    for (const name of names) stage.answer(name, places(2));
    for (const left of [1, 0]) for (const name of names) stage.answer(name, places(left));
    expect(stage.vanished.size).toBe(200);
  });

  it('are not brought back when they had been away for a second answer before others followed', () => {
    const stage = new Stage();
    for (const name of ['a', 'b']) stage.answer(name, places(20));
    stage.answer('a', []);
    stage.now = SECOND_MS;
    stage.decide('a');
    stage.answer('b', []);
    expect([stage.retained('a'), stage.retained('b')]).toEqual([0, 20]);
  });

  it('wait each for its own second answer', () => {
    const stage = stageWith(80);
    stage.answer('orders', places(30));
    stage.now = 10_000;
    stage.answer('orders', places(5));
    expect(stage.retained('orders')).toBe(75);
    stage.now = SECOND_MS;
    stage.decide('orders');
    expect(stage.retained('orders')).toBe(25);
    expect(stage.vanished.dueMs('orders')).toBe(SECOND_MS + 10_000);
  });

  it('are let go with their service when nobody wants that any more', () => {
    const stage = stageWith(40);
    stage.answer('orders', []);
    expect([...stage.vanished.forget('orders', stage.now)]).toEqual(['orders']);
    expect([stage.vanished.size, stage.vanished.dueMs('orders')]).toEqual([0, undefined]);
  });
});

describe('what an earlier run has written', () => {
  it('is retained like what was seen, although no instance of it is known', () => {
    const stage = new Stage();
    stage.answer('steady', places(200, 50));
    stage.vanished.remember('orders', places(40), 0);
    stage.answer('orders', places(2));
    expect(stage.vanished.isRetaining('orders')).toBe(true);
    expect([stage.vanished.retains('orders', '10.20.0.5 8080'), stage.retained('orders')]).toEqual([true, 0]);
    expect(stage.vanished.retains('orders', '10.20.0.1 8080')).toBe(false);
    stage.now = SECOND_MS;
    stage.decide('orders');
    expect(stage.vanished.isRetaining('orders')).toBe(false);
  });
});

describe('a release', () => {
  it('lets go what was shown under the hash, and nothing that came later', () => {
    const stage = stageWith(80);
    stage.answer('orders', places(30));
    const hash = stage.vanished.show(stage.now)?.hash ?? '';
    stage.answer('orders', places(5));
    const { released, changed } = stage.vanished.release(hash, stage.now);
    expect(released).toMatchObject({ isKnown: true, staying: 25 });
    expect([...changed]).toEqual(['orders']);
    expect(stage.retained('orders')).toBe(25);
  });

  it('of a hash that was never shown lets go nothing', () => {
    const stage = stageWith(40);
    stage.answer('orders', []);
    expect(stage.vanished.release('unknown', 0).released).toEqual({ isKnown: false });
    expect(stage.retained('orders')).toBe(40);
  });

  it('does not make what is gone a loss again', () => {
    const stage = stageWith(40);
    stage.answer('orders', []);
    stage.vanished.release(stage.vanished.show(0)?.hash ?? '', 0);
    expect(stage.answer('orders', [])).toEqual([]);
    stage.answer('orders', places(40));
    stage.answer('orders', []);
    expect(stage.retained('orders')).toBe(40);
  });
});
