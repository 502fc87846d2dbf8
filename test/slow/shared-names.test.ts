import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { openRunDirectory } from '../control-plane/index.ts';
import { startConsular, type Consular } from '../rig/consular.ts';
import { nextPodIP, openRig, until, untilEqual, type Rig, type Status } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

/**
 * Two Consul names that become the same Kubernetes name, and neither is mirrored: nothing is left to do about them. The
 * daemon is a process of its own here, as one that is too busy to answer must not stop the test too.
 */

const OBSERVED_MS = 10_000;
/** Of about forty. A daemon that is too busy to answer at once cannot give as many. */
const LEAST_ANSWERS = 20;
/** Generous: it only decides how long a silent daemon takes to be called silent. */
const ANSWER_LIMIT_MS = 5000;

interface Answer {
  readonly said: string;
  readonly afterMs: number;
}

interface Place {
  readonly rig: Rig;
  readonly namespace: string;
  readonly mirrored: Mirrored;
  /** The two names, such as `gone-app` and `gone_app`. */
  readonly names: readonly string[];
}

interface Way {
  readonly word: string;
  readonly what: string;
  readonly toKubernetes?: object;
  /** Makes the two names what they are, on a daemon that runs. */
  readonly happen: (place: Place) => Promise<void>;
}

const registerEach = ({ rig, names }: Place, more: object = {}) =>
  Promise.all(
    names.map((name, i) =>
      rig.consul.registerOnAgent({ id: `${name}-1`, name, address: `192.0.2.${50 + i}`, port: 80, ...more }),
    ),
  );

const WAYS: readonly Way[] = [
  {
    word: 'gone',
    what: 'both are gone',
    happen: async (place) => {
      const { rig, mirrored, names } = place;
      await registerEach(place);
      await until('two Services', async () => (await mirrored.names()).length === 2);
      await Promise.all(names.map((name) => rig.consul.deregisterFromAgent(`${name}-1`)));
      await untilEqual('no Service', () => mirrored.names(), []);
    },
  },
  {
    word: 'untagged',
    what: 'both lack a required tag',
    toKubernetes: { requiredTags: ['wanted'] },
    happen: async (place) => {
      await registerEach(place);
    },
  },
  {
    word: 'pods',
    what: 'both are registered by annotated pods',
    happen: async ({ rig, namespace, names }) => {
      for (const [i, name] of names.entries()) {
        const ip = nextPodIP();
        const annotations = { 'consular.dev/service-name': name };
        await rig.kubernetes.createPod(namespace, `pod-${i}`, { ip, annotations });
        await untilEqual(`the instance of ${name}`, () => rig.consul.summary(name), [`${ip}:8080 passing`]);
      }
    },
  },
  {
    word: 'elsewhere',
    what: "both are registered by another cluster's Consular",
    happen: async (place) => {
      await registerEach(place, {
        meta: { 'external-source': 'kubernetes', 'managed-by': 'consular', 'k8s-cluster': 'other' },
      });
    },
  },
];

describe('two Consul names that share a Kubernetes name and are not mirrored', () => {
  let rig: Rig;
  const cleanUps: (() => Promise<unknown>)[] = [];
  const observed = new Map<string, Promise<Observation>>();

  beforeAll(async () => {
    rig = await openRig();
    const stages = WAYS.map((way) => [way, prepare(way)] as const);
    // What happens on one stage is work for all daemons: each sees every pod of the cluster.
    const all = Promise.allSettled(stages.map(([, stage]) => stage));
    for (const [{ word }, stage] of stages) {
      const observation = all.then(() => stage).then(observe);
      observation.catch(() => undefined);
      observed.set(word, observation);
    }
  }, 60_000);
  afterAll(async () => {
    await Promise.allSettled(observed.values());
    await Promise.all(cleanUps.map((cleanUp) => cleanUp()));
    await rig.close();
  }, 60_000);

  interface Stage {
    readonly daemon: Consular;
    readonly mirrored: Mirrored;
  }

  interface Observation {
    readonly answers: readonly Answer[];
    readonly reconciles: readonly [before: string, after: string];
    readonly names: readonly string[];
    readonly ended: string | undefined;
  }

  /** A daemon and a namespace for each way: the time that passes is the same for all. */
  async function prepare({ word, toKubernetes, happen }: Way): Promise<Stage> {
    const namespace = `${rig.cluster}-${word}`;
    await rig.kubernetes.createNamespace(namespace);
    const run = await openRunDirectory(`shared-names-${word}`);
    cleanUps.push(() => run.close());
    const daemon = await startConsular(run, {
      cluster: namespace,
      besides: WAYS.map((way) => `${rig.cluster}-${way.word}`).filter((other) => other !== namespace),
      kubernetes: { kubeconfig: rig.kubeconfig },
      consul: { address: rig.consulServer.address },
      toConsul: { namespaces: { include: [namespace], exclude: [] } },
      toKubernetes: {
        ...{ namespaces: [namespace], services: { include: [`${word}*`] }, removalGrace: '0s' },
        ...toKubernetes,
      },
    });
    const mirrored = new Mirrored(rig, namespace);
    await happen({ rig, namespace, mirrored, names: [`${word}-app`, `${word}_app`] });
    await untilMirrored(rig, mirrored, word);
    return { daemon, mirrored };
  }

  async function observe({ daemon, mirrored }: Stage): Promise<Observation> {
    await until('an idle daemon', () => isIdle(daemon));
    const before = await reconcilesAtRest(daemon);
    const answers = await answersOf(daemon);
    const after = await reconciles(daemon);
    const names = await mirrored.names();
    return { answers, reconciles: [before, after], names, ended: await daemon.stop() };
  }

  it.each(WAYS)(
    '$what: the daemon answers, rests, and ends when it is told to',
    async ({ word }) => {
      const { answers, reconciles, names, ended } = (await observed.get(word)) ?? { answers: [], reconciles: [] };
      const times = answers.map(({ afterMs }) => Math.round(afterMs)).join(', ');
      assert.ok(answers.length >= LEAST_ANSWERS, `${answers.length} answers, after ${times} ms`);
      expect(new Set(answers.map(({ said }) => said))).toEqual(new Set(['200 ok\n']));
      expect(reconciles[1]).toBe(reconciles[0]);
      expect(names).toEqual([`${word}-last`]);
      expect(ended).toBe('ended with exit code 0');
    },
    90_000,
  );
});

/** Something that comes after everything else: what has not come by then does not come. */
async function untilMirrored({ consul }: Rig, mirrored: Mirrored, word: string): Promise<void> {
  const name = `${word}-last`;
  await consul.registerOnAgent({ id: name, name, address: '192.0.2.60', port: 80, tags: ['wanted'] });
  await untilEqual('the last service', () => mirrored.addresses(name), ['192.0.2.60:80']);
}

/** The count of reconciles once it has stood still for two seconds: what happened on other stages may be on its way. */
async function reconcilesAtRest(daemon: Consular): Promise<string> {
  let count = await reconciles(daemon);
  await until('a daemon at rest', async () => {
    await sleep(2000);
    const before = count;
    count = await reconciles(daemon);
    return count === before;
  });
  return count;
}

async function isIdle({ address }: Consular): Promise<boolean> {
  const { ready, toConsul, toKubernetes } = (await (await get(`${address}/status`)).json()) as Status;
  return ready && [toConsul, toKubernetes].every((work) => work?.waiting === 0 && work.busy === 0);
}

/** How often each direction has reconciled a key, as the metrics say it. */
async function reconciles({ address }: Consular): Promise<string> {
  const metrics = await (await get(`${address}/metrics`)).text();
  return [...metrics.matchAll(/^consular_reconciles_total\{.*$/gm)].join('\n');
}

/** What /healthz says for a while. */
async function answersOf({ address }: Consular): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (const end = performance.now() + OBSERVED_MS; performance.now() < end; await sleep(250)) {
    const askedAt = performance.now();
    const answer = await get(`${address}/healthz`);
    answers.push({ said: `${answer.status} ${await answer.text()}`, afterMs: performance.now() - askedAt });
  }
  return answers;
}

function get(url: string): Promise<Response> {
  return fetch(url, { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
}
