import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FaultProxy } from '../rig/fault-proxy.ts';
import { openRig, QUICK_ENTRY, statusOf, until, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';

const named = (name: string) => ({ 'consular.dev/service-name': name });
const ALL =
  'node_prefix "" { policy = "write" } service_prefix "" { policy = "write" } agent_prefix "" { policy = "read" } ' +
  'key_prefix "consular/" { policy = "write" }';
/** What proves nothing: each Consul has that service, and who may read nodes sees that ours are there. */
const LITTLE = 'service "consul" { policy = "read" } node_prefix "" { policy = "read" }';
const ANONYMOUS = '00000000-0000-0000-0000-000000000002';

interface Token {
  readonly AccessorID: string;
  readonly SecretID: string;
  /** ID of its only policy. */
  readonly policy: string;
}

/** How the daemon loses its rights, and how it gets them back. */
interface Loss {
  readonly lose: (stage: Stage) => Promise<void>;
  readonly giveBack: (stage: Stage) => Promise<void>;
}

const LOSSES: Readonly<Record<string, Loss>> = {
  'is revoked': {
    lose: async ({ rig, token }) => void (await rig.consul.must('DELETE', `/acl/token/${token.AccessorID}`)),
    giveBack: async ({ tokenFile, createToken }) => writeFile(tokenFile, (await createToken(ALL)).SecretID),
  },
  'is narrowed': {
    lose: ({ setRules, token }) => setRules(token, LITTLE),
    giveBack: ({ setRules, token }) => setRules(token, ALL),
  },
  'is lost on the way, where everybody may read a little': {
    lose: ({ proxy }) => {
      proxy.isAnonymous = true;
      return Promise.resolve();
    },
    giveBack: ({ proxy }) => {
      proxy.isAnonymous = false;
      return Promise.resolve();
    },
  },
};

interface Stage {
  readonly rig: Rig;
  readonly proxy: FaultProxy;
  readonly daemon: Daemon;
  readonly token: Token;
  readonly tokenFile: string;
  readonly createToken: (rules: string) => Promise<Token>;
  readonly setRules: (token: Token, rules: string) => Promise<void>;
}

describe('when the token', () => {
  let rig: Rig;
  let folder: string;
  let proxy: FaultProxy;
  let daemon: Daemon;

  beforeAll(async () => {
    [rig, folder] = await Promise.all([openRig({ acl: true }), mkdtemp(join(tmpdir(), 'consular-tokens-'))]);
    proxy = await FaultProxy.open(rig.consul.address, `k8s-${rig.cluster}`);
    const { ID } = (await rig.consul.must('PUT', '/acl/policy', { Name: 'little', Rules: LITTLE })) as { ID: string };
    await rig.consul.must('PUT', `/acl/token/${ANONYMOUS}`, { AccessorID: ANONYMOUS, Policies: [{ ID }] });
    await rig.consul.registerOnAgent({ id: 'vm-1', name: 'vm', address: '192.0.2.80', port: 80 });
  }, 60_000);
  afterEach(async () => {
    proxy.isAnonymous = false;
    proxy.readFault = () => 'pass';
    await daemon.stop();
  });
  afterAll(async () => {
    await rig.close();
    await proxy.close();
    await rm(folder, { recursive: true });
  }, 30_000);

  async function createToken(rules: string): Promise<Token> {
    const { ID } = (await rig.consul.must('PUT', '/acl/policy', { Name: unique('policy'), Rules: rules })) as {
      ID: string;
    };
    const token = (await rig.consul.must('PUT', '/acl/token', { Policies: [{ ID }] })) as Omit<Token, 'policy'>;
    return { ...token, policy: ID };
  }

  async function setRules({ policy }: Token, rules: string): Promise<void> {
    await rig.consul.must('PUT', `/acl/policy/${policy}`, { Name: unique('policy'), Rules: rules });
  }

  let number = 0;
  const unique = (word: string) => `${word}-${number++}`;

  async function openStage(): Promise<Stage> {
    const token = await createToken(ALL);
    const tokenFile = join(folder, unique('token'));
    await writeFile(tokenFile, token.SecretID);
    daemon = await rig.startDaemon({
      consulAddress: proxy.address,
      consul: { tokenFile },
      toKubernetes: { removalGrace: '0s' },
      timings: { entryPace: QUICK_ENTRY },
    });
    return { rig, proxy, daemon, token, tokenFile, createToken, setRules };
  }

  /** Everything that the mirrored Service consists of, with versions: any write at all shows. */
  async function mirrorOf(name: string): Promise<unknown> {
    const { kubernetes, namespace } = rig;
    const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?labelSelector=kubernetes.io/service-name%3D${name}`;
    return [
      await kubernetes.find(`/api/v1/namespaces/${namespace}/services/${name}`),
      await kubernetes.list(slices),
      await kubernetes.find(`/api/v1/namespaces/${namespace}/endpoints/${name}`),
    ];
  }

  /** Changes in Consul that the daemon must not misunderstand, until it has asked about the mirrored service some times. */
  async function untilAsked(times: number): Promise<void> {
    let asked = 0;
    proxy.readFault = (path) => {
      if (path.startsWith('/health/service/vm')) asked++;
      return 'pass';
    };
    await until(`${times} questions`, async () => {
      await rig.consul.setHealth('vm-1', 'warn');
      await rig.consul.setHealth('vm-1', 'pass');
      await rig.consul.registerOnAgent({ id: 'noise', name: 'noise', address: '192.0.2.99', port: 1000 + number++ });
      return asked >= times;
    });
  }

  it.each(Object.entries(LOSSES))(
    '%s, nothing is removed anywhere, and all goes on when it is there again',
    async (_, loss) => {
      const { kubernetes, consul, namespace } = rig;
      const [stays, goes, comes, gone] = ['stays', 'goes', 'comes', 'gone'].map(unique) as [
        string,
        string,
        string,
        string,
      ];
      for (const name of [stays, goes]) await kubernetes.createPod(namespace, name, { annotations: named(name) });
      await consul.registerOnAgent({ id: gone, name: gone, address: '192.0.2.81', port: 81 });
      const stage = await openStage();
      await untilIdle(daemon);
      const before = { vm: await mirrorOf('vm'), gone: await mirrorOf(gone), own: await consul.instances(stays) };
      const instances = (await statusOf(daemon)).toConsul?.instances ?? 0;
      expect(instances).toBeGreaterThanOrEqual(2);

      await loss.lose(stage);
      await kubernetes.deletePod(namespace, goes);
      await kubernetes.createPod(namespace, comes, { annotations: named(comes) });
      await untilAsked(3);
      await until('a daemon that is not ready', async () => !(await statusOf(daemon)).ready);
      expect((await statusOf(daemon)).toConsul?.instances).toBe(instances);
      expect({ vm: await mirrorOf('vm'), gone: await mirrorOf(gone), own: await consul.instances(stays) }).toEqual(
        before,
      );
      expect((await consul.summary(goes)).length).toBe(1);

      await loss.giveBack(stage);
      await until('the pod that came', async () => (await consul.summary(comes)).length === 1);
      await untilEqual('the pod that went', () => consul.summary(goes), []);
      await untilIdle(daemon);
      expect({ vm: await mirrorOf('vm'), gone: await mirrorOf(gone), own: await consul.instances(stays) }).toEqual(
        before,
      );
    },
  );

  it.each(Object.entries(LOSSES).filter(([how]) => !how.startsWith('is lost')))(
    '%s, what went from Consul meanwhile goes when the rights are there again',
    async (_, loss) => {
      const { kubernetes, consul, namespace } = rig;
      const name = unique('went');
      await consul.registerOnAgent({ id: name, name, address: '192.0.2.82', port: 82 });
      const stage = await openStage();
      const service = () => kubernetes.find(`/api/v1/namespaces/${namespace}/services/${name}`);
      await until('the mirror', () => kubernetes.find(`/api/v1/namespaces/${namespace}/endpoints/${name}`));
      await untilIdle(daemon);
      await loss.lose(stage);
      await consul.deregisterFromAgent(name);
      await untilAsked(3);
      expect(await service()).toBeDefined();
      await loss.giveBack(stage);
      await until('nothing of it', async () => (await service()) === undefined);
    },
  );
});
