import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { openRunDirectory, startKubernetes, type KubernetesPlane, type RunDirectory } from '../control-plane/index.ts';
import { freePort } from '../control-plane/ports.ts';
import { commandLine } from '../rig/command-line.ts';
import { counted, nextPodIP, openRig, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

const SETTINGS = { toKubernetes: { removalGrace: '0s' } };
const LIMIT_MS = 60_000;

let plane: KubernetesPlane;
let folder: RunDirectory;
beforeAll(async () => {
  plane = await startKubernetes();
  folder = await openRunDirectory('etcd-restored');
}, 120_000);
afterAll(async () => {
  await plane.stop();
  await folder.close();
}, 60_000);

/** Pods that ask for a service each, by name. */
const SERVICE_OF = {
  kept: 'orders',
  'deleted-since': 'orders',
  'only-deleted-since': 'billing',
  'made-since': 'orders',
  'only-made-since': 'invoices',
};
type PodName = keyof typeof SERVICE_OF;

class Scene {
  readonly rig: Rig;
  readonly mirrored: Mirrored;
  readonly #ips = new Map<PodName, string>();

  constructor(rig: Rig) {
    this.rig = rig;
    this.mirrored = new Mirrored(rig);
  }

  async createPod(name: PodName): Promise<void> {
    const ip = nextPodIP();
    this.#ips.set(name, ip);
    const annotations = { 'consular.dev/service-name': SERVICE_OF[name] };
    await this.rig.kubernetes.createPod(this.rig.namespace, name, { ip, annotations });
  }

  register(name: string, port: number): Promise<void> {
    return this.rig.consul.registerOnAgent({ id: `${name}-${port}`, name, address: '192.0.2.90', port });
  }

  /** Everything that either direction has made, and should. */
  async untilRight(when: string, pods: readonly PodName[], mirrors: Readonly<Record<string, string[]>>): Promise<void> {
    const { consul } = this.rig;
    for (const service of new Set(Object.values(SERVICE_OF))) {
      const ips = pods.filter((pod) => SERVICE_OF[pod] === service).map((pod) => this.#ips.get(pod) ?? '');
      const expected = ips.map((ip) => `${ip}:8080 passing`).sort();
      await untilEqual(`${service} ${when}`, () => consul.summary(service), expected, LIMIT_MS);
    }
    await untilEqual(`the mirrors ${when}`, () => this.mirrored.names(), Object.keys(mirrors).sort(), LIMIT_MS);
    for (const [name, addresses] of Object.entries(mirrors)) {
      await untilEqual(`slices of ${name} ${when}`, () => this.mirrored.addresses(name), addresses, LIMIT_MS);
      await untilEqual(`endpoints of ${name} ${when}`, () => this.mirrored.legacyAddresses(name), addresses, LIMIT_MS);
    }
  }
}

const at = (...ports: number[]) => ports.map((port) => `192.0.2.90:${port}`);

async function untilReady({ port }: Daemon): Promise<void> {
  const readyz = async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).text();
  await untilEqual('readiness', readyz, 'ok\n', LIMIT_MS);
}

/** Writes as quickly as the API server takes it, and does not mind when there is none. */
function writeOn({ kubernetes, namespace }: Rig): { stop(): Promise<void> } {
  let isStopped = false;
  const one = async (writer: number) => {
    for (let i = 0; !isStopped && i < 20_000; i++) {
      const body = { metadata: { name: `other-${writer}-${i}` } };
      const written = await kubernetes
        .call('POST', `/api/v1/namespaces/${namespace}/configmaps`, body)
        .catch(() => null);
      // A pause where there is nobody to write to.
      if (!written) await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const writers = [1, 2, 3, 4, 5, 6, 7, 8].map(one);
  return {
    stop: async () => {
      isStopped = true;
      await Promise.all(writers);
    },
  };
}

const signs = async ({ metrics }: Daemon) =>
  (await counted(metrics.timeWentBack)).filter(({ labels }) => labels.sign === 'lower-revision');

interface Variant {
  /** What happens while nothing of Kubernetes runs; the daemon that runs afterwards. */
  readonly meanwhile?: (rig: Rig, daemon: Daemon) => Promise<Daemon>;
  readonly othersWrite?: boolean;
  readonly isSignCertain?: boolean;
}

describe('etcd that was put back to an older state', () => {
  it.each<[string, Variant]>([
    ['and nobody else writes', { isSignCertain: true }],
    ['and others write on, past what was known', { othersWrite: true }],
    [
      'while Consular is started anew',
      {
        meanwhile: async (rig, daemon) => {
          await daemon.stop();
          return rig.startDaemon({ ...SETTINGS, awaitStart: false });
        },
      },
    ],
  ])(
    '%s: pods that are alive again are registered, pods that never were are not, and mirrors work',
    async (_, variant) => {
      const rig = await openRig({}, plane);
      const scene = new Scene(rig);
      const { kubernetes, consul, namespace } = rig;
      let others: ReturnType<typeof writeOn> | undefined;
      try {
        await Promise.all(
          (['kept', 'deleted-since', 'only-deleted-since'] as const).map((name) => scene.createPod(name)),
        );
        await Promise.all([scene.register('vm', 80), scene.register('older', 81)]);
        const first = await rig.startDaemon(SETTINGS);
        await scene.untilRight('at first', ['kept', 'deleted-since', 'only-deleted-since'], {
          older: at(81),
          vm: at(80),
        });
        await untilIdle(first);
        const saved = await plane.saveData();

        await Promise.all([
          ...['deleted-since', 'only-deleted-since'].map((name) => kubernetes.deletePod(namespace, name)),
          ...(['made-since', 'only-made-since'] as const).map((name) => scene.createPod(name)),
          ...[scene.register('vm', 82), scene.register('newer', 83), consul.deregisterFromAgent('older-81')],
        ]);
        await scene.untilRight('on the time line that is lost', ['kept', 'made-since', 'only-made-since'], {
          newer: at(83),
          vm: at(80, 82),
        });
        await untilIdle(first);

        let daemon = first;
        await plane.restoreData(saved, async () => {
          daemon = (await variant.meanwhile?.(rig, first)) ?? first;
          if (variant.othersWrite) others = writeOn(rig);
        });
        await daemon.started;
        await scene.untilRight('afterwards', ['kept', 'deleted-since', 'only-deleted-since'], {
          newer: at(83),
          vm: at(80, 82),
        });
        await untilReady(daemon);
        await others?.stop();
        await untilIdle(daemon);
        for (const name of ['made-since', 'only-made-since'])
          expect(daemon.records).toContainEqual(
            expect.objectContaining({
              message: 'instance without its object, deregistering',
              pod: `${namespace}/${name}`,
              missing: 'Pod',
            }),
          );
        if (variant.isSignCertain) expect(await signs(daemon)).not.toEqual([]);

        // What is followed is followed.
        await kubernetes.deletePod(namespace, 'kept');
        await consul.deregisterFromAgent('vm-80');
        await scene.untilRight('at the end', ['deleted-since', 'only-deleted-since'], { newer: at(83), vm: at(82) });
        await untilReady(daemon);
      } finally {
        await others?.stop();
        await rig.close();
      }
    },
  );
});

describe('another cluster behind the same address', () => {
  it('ends the daemon with a clear error, and changes nothing anywhere', async () => {
    const rig = await openRig({}, plane);
    try {
      const scene = new Scene(rig);
      await Promise.all([scene.createPod('kept'), scene.register('vm', 80)]);
      const { cluster, namespace, consulServer, consul } = rig;
      const address = `127.0.0.1:${await freePort()}`;
      const config = {
        ...{ cluster, http: { address }, toConsul: { namespaces: { include: [namespace], exclude: [] } } },
        toKubernetes: { namespaces: [namespace], removalGrace: '0s' },
      };
      const file = `${folder.path}/consular.yaml`;
      await writeFile(file, JSON.stringify(config));
      const env = { KUBECONFIG: rig.kubeconfig, CONSUL_HTTP_ADDR: consulServer.address };
      const ended = commandLine(env)('run', '--config', file);
      await scene.untilRight('at first', ['kept'], { vm: at(80) });
      const uidOf = async () => (await rig.kubernetes.find('/api/v1/namespaces/kube-system'))?.metadata.uid ?? '';
      const ours = await uidOf();
      const index = async () => (await consul.call('GET', '/catalog/services')).index;
      const before = await index();

      await plane.restoreData(undefined);
      const theirs = await uidOf();
      expect(theirs).not.toBe(ours);
      const said = await ended;
      expect(said.status).toBe(1);
      expect(said.stderr).toContain('cannot go on');
      expect(said.stderr).toContain(`with uid ${ours}, found another, with uid ${theirs}`);
      expect(said.stderr).not.toContain('instance without its object');
      expect(await consul.summary('orders')).toHaveLength(1);
      expect(await index()).toBe(before);
      const marks = 'labelSelector=app.kubernetes.io/managed-by%3Dconsular';
      expect(await rig.kubernetes.list(`/api/v1/services?${marks}`)).toEqual([]);
      await expect(fetch(`http://${address}/healthz`)).rejects.toThrow();
    } finally {
      await rig.close();
    }
  });
});
