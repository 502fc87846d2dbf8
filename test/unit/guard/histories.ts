import { World } from './world.ts';

/** What happens to clusters. */
export interface History {
  readonly what: string;
  /** Pods of the service that it is about, of each size that is played. */
  readonly sizes: readonly number[];
  readonly play: (size: number) => World;
  /** Whether it may trip; a number: from so many pods on it has to. */
  readonly trips: 'never' | 'may' | number;
  /** Whether anything is retained at its end. */
  readonly retains: boolean;
  /** Of mirrored instances everything that was lost is retained for a while, whether or not the service has others. */
  readonly isMirrored?: true;
}

const SIZES = [5, 20, 21, 60, 400, 2000];
/** Beside the service that a history is about. */
const OTHERS = { web: 40, db: 6, jobs: 12, cache: 3 };

export const HISTORIES: readonly History[] = [
  {
    what: 'rolling restart of the largest workload',
    sizes: SIZES,
    trips: 'never',
    retains: false,
    play: (size) => {
      const world = new World({ orders: size, ...OTHERS });
      const step = Math.max(1, Math.floor(size / 4));
      const old = world.of('orders');
      for (let i = 0; i < old.length; i += step) {
        const batch = old.slice(i, i + step);
        // The containers of some stop before anybody has seen that their pods are being deleted.
        world.notReady(batch.slice(0, Math.floor(batch.length / 4)), 1);
        world.delete(batch, 10);
        world.start('orders', batch.length, `new-${i}-`);
        world.pass(5000);
      }
      return world;
    },
  },
  {
    what: 'an image that breaks readiness is rolled out',
    sizes: SIZES,
    trips: 'never',
    retains: false,
    // A quarter may be missing; the pods that take their place never become Ready, and the rollout stops there.
    play: (size) => {
      const world = new World({ orders: size, ...OTHERS });
      world.delete(world.of('orders').slice(0, Math.floor(size / 4)), 100);
      return world;
    },
  },
  {
    what: 'a drained node of five',
    sizes: SIZES,
    trips: 'never',
    retains: false,
    play: (size) => {
      const world = new World({ orders: size, ...OTHERS });
      world.delete(
        world.all.filter((_, i) => i % 5 === 0),
        50,
      );
      return world;
    },
  },
  {
    what: 'a node of five is lost',
    sizes: SIZES,
    trips: 'never',
    retains: false,
    play: (size) => {
      const world = new World({ orders: size, ...OTHERS });
      world.notReady(
        world.all.filter((_, i) => i % 5 === 0),
        1,
      );
      return world;
    },
  },
  {
    what: 'a namespace scaled down to none',
    sizes: SIZES,
    trips: 'never',
    retains: false,
    play: (size) => {
      const world = new World({ orders: size, ...OTHERS });
      world.delete(world.of('orders'), 5);
      return world;
    },
  },
  {
    what: 'a namespace deleted, its containers ended before their pods',
    sizes: SIZES,
    trips: 'never',
    retains: false,
    // A pod is being deleted from the first moment on; that it is not Ready either is said later.
    play: (size) => {
      const world = new World({ orders: size });
      world.delete(world.of('orders'), 1);
      world.notReady(world.of('orders'), 1);
      return world;
    },
  },
  {
    what: 'an autoscaler halves a workload, some of it crashing',
    sizes: SIZES,
    trips: 'never',
    retains: false,
    play: (size) => {
      const world = new World({ orders: size, ...OTHERS });
      const pods = world.of('orders');
      world.notReady(pods.slice(0, Math.floor(size / 10)), 20);
      world.delete(pods.slice(Math.floor(size / 2)), 20);
      return world;
    },
  },
  {
    what: 'the demo of five pods, all of them NotReady',
    sizes: [5],
    trips: 'never',
    retains: false,
    play: (size) => {
      const world = new World({ orders: size });
      world.notReady(world.of('orders'), 100);
      return world;
    },
  },
  {
    what: 'a zone of three is lost',
    sizes: SIZES,
    trips: 'never',
    retains: false,
    play: (size) => {
      const world = new World({ orders: size, ...OTHERS });
      world.notReady(
        world.all.filter(({ zone }) => zone === 0),
        1,
      );
      return world;
    },
  },
  {
    what: 'two zones of three are lost',
    sizes: SIZES,
    trips: 'may',
    retains: false,
    play: (size) => {
      const world = new World({ orders: size, ...OTHERS });
      world.notReady(
        world.all.filter(({ zone }) => zone !== 0),
        1,
      );
      return world;
    },
  },
  {
    what: 'a third flaps, in turns of a second',
    sizes: SIZES,
    trips: 'never',
    retains: false,
    play: (size) => {
      const world = new World({ orders: size, ...OTHERS });
      for (let turn = 0; turn < 60; turn++) {
        const flapping = world.of('orders').filter(({ zone }) => zone === turn % 3);
        world.notReady(flapping);
        world.pass(1000);
        world.end().ready(flapping);
      }
      return world;
    },
  },
  {
    what: 'one pod after the other crashes, one each 4 s',
    sizes: SIZES,
    trips: 'never',
    retains: false,
    play: (size) => {
      const world = new World({ orders: size, ...OTHERS });
      world.notReady(world.of('orders').slice(0, -1), 4000);
      return world;
    },
  },
  {
    what: 'all pods of a service NotReady within two seconds',
    sizes: SIZES,
    trips: 21,
    retains: true,
    play: (size) => {
      const world = new World({ orders: size, ...OTHERS });
      world.notReady(world.of('orders'), 2000 / size);
      return world;
    },
  },
  {
    what: 'five services of a size NotReady within 1.5 s',
    sizes: [20, 21, 100, 400],
    // Together these are most of what there is.
    trips: 1,
    retains: true,
    play: (size) => {
      const services = ['a', 'b', 'c', 'd', 'e'];
      const world = new World({ ...Object.fromEntries(services.map((name) => [name, size])), ...OTHERS });
      world.notReady(
        services.flatMap((name) => world.of(name)),
        1500 / (5 * size),
      );
      return world;
    },
  },
  {
    what: 'the control plane loses all nodes',
    sizes: SIZES,
    trips: 1,
    retains: true,
    play: (size) => {
      const world = new World({ orders: size, ...OTHERS });
      world.notReady(world.all, 1);
      return world;
    },
  },
  {
    what: 'the control plane loses all nodes, and has them again',
    sizes: SIZES,
    trips: 1,
    retains: false,
    play: (size) => {
      const world = new World({ orders: size, ...OTHERS });
      world.notReady(world.all, 1);
      world.pass(600_000);
      world.ready(world.all, 1);
      return world;
    },
  },
  {
    what: 'machines stopped one after the other, five a second',
    sizes: [5, 21, 60, 400],
    trips: 'never',
    retains: false,
    isMirrored: true,
    play: (size) => stopped(size, { others: size, ...OTHERS }, 1, 200),
  },
  {
    what: 'machines stopped at five a second, looked at once a second',
    sizes: [60, 400],
    trips: 'never',
    retains: false,
    isMirrored: true,
    play: (size) => stopped(size, { others: size, ...OTHERS }, 5, 1000),
  },
  {
    what: 'most machines of all stopped one after the other, five a second',
    sizes: [5, 21, 60, 400],
    // 61 others stay: of 60 these are less than half, of 400 more than half within the minute.
    trips: 400,
    retains: true,
    isMirrored: true,
    play: (size) => stopped(size, OTHERS, 1, 200),
  },
  {
    what: 'all instances of a service missing from one answer',
    sizes: SIZES,
    trips: 21,
    retains: true,
    isMirrored: true,
    play: (size) => {
      const world = new World({ orders: size, ...OTHERS });
      world.answerWithout(world.of('orders'));
      return world;
    },
  },
  {
    what: 'a Consul without its catalog: every service missing, an answer each',
    sizes: SIZES,
    trips: 1,
    retains: true,
    isMirrored: true,
    play: (size) => {
      const world = new World({ orders: size, ...OTHERS });
      for (const service of ['orders', ...Object.keys(OTHERS)]) {
        world.answerWithout(world.of(service));
        world.pass(500);
      }
      return world;
    },
  },
  ...[1, 2].map((each): History => ({
    what: `a Consul without its catalog, which had ${each} of each service, an answer each`,
    sizes: [...SIZES.filter((size) => size > 20), 1000],
    trips: 1,
    retains: true,
    isMirrored: true,
    play: (size) => {
      const services = Array.from({ length: size }, (_, i) => `service-${i}`);
      const world = new World(Object.fromEntries(services.map((name) => [name, each])));
      for (const service of services) {
        world.answerWithout(world.of(service));
        world.pass(20);
      }
      return world;
    },
  })),
  {
    what: 'a Consul that loses all services of two, an instance an answer',
    sizes: [60, 400, 1000],
    trips: 1,
    retains: true,
    isMirrored: true,
    play: (size) => {
      const services = Array.from({ length: size }, (_, i) => `service-${i}`);
      const world = new World(Object.fromEntries(services.map((name) => [name, 2])));
      for (const turn of [0, 1])
        for (const service of services) {
          world.answerWithout(world.of(service).slice(turn, turn + 1));
          world.pass(20);
        }
      return world;
    },
  },
];

/** A service whose instances are stopped, so many an answer. */
function stopped(size: number, others: Readonly<Record<string, number>>, many: number, everyMs: number): World {
  const world = new World({ orders: size, ...others });
  const all = world.of('orders');
  for (let i = 0; i < size; i += many) {
    world.answerWithout(all.slice(i, i + many));
    world.pass(everyMs);
  }
  return world;
}
