import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { runCommandLine } from '../../src/commands/command-line.ts';
import { findHelm, startKubernetes, type KubernetesPlane } from '../control-plane/index.ts';
import { writeKubeconfig } from '../control-plane/kubernetes-credentials.ts';
import { freePort } from '../control-plane/ports.ts';
import { bundle } from '../rig/bundle.ts';
import { follow } from '../rig/doctor.ts';
import { changed, differences, dumpAll, type Dump } from '../rig/dump.ts';
import { CHART, Helm } from '../rig/helm.ts';
import { openRig, until, untilEqual, untilIdle, type Manifest, type Rig } from '../rig/index.ts';
import { ROOT } from '../rig/manifests.ts';
import { commandsOf, theOne } from '../rig/page.ts';
import { createConsulToken, readPolicy } from '../rig/rights.ts';

/** As the manual calls release and namespace. */
const NAME = 'consular';
/** Where the chart mounts the Secret. */
const SECRETS = '/run/consular/consul';

let plane: KubernetesPlane;
let rig: Rig;
let helm: Helm;
let folder: string;
let before: Dump;
let daemon: { readonly port: number; stop(): Promise<number> };

/** Both systems of people who have no Consular yet. */
async function furnish({ kubernetes, consul }: Rig): Promise<void> {
  for (const name of ['shop', 'web']) await kubernetes.createNamespace(name);
  await consul.registerOutside('billing', '192.0.2.50');
  await kubernetes.must('POST', '/api/v1/namespaces/web/services', {
    metadata: { name: 'accounts', annotations: { 'consular.dev/import': 'billing' } },
    spec: { ports: [{ port: 80 }] },
  });
  await kubernetes.createPod('shop', 'orders-1', {
    ...{ ip: '10.42.7.1', node: 'node-0' },
    annotations: { 'consular.dev/service-name': 'dev-orders' },
  });
}

/** What comes before the chart where Consul has ACLs. */
async function prepare({ kubernetes, consul }: Rig): Promise<void> {
  await kubernetes.must('POST', '/api/v1/namespaces', {
    metadata: { name: NAME, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
  });
  const token = await createConsulToken(consul, 'consular-dev', await readPolicy('dev'));
  await kubernetes.must('POST', `/api/v1/namespaces/${NAME}/secrets`, {
    metadata: { name: 'consular-consul' },
    stringData: { token },
  });
}

/** Both systems, once Kubernetes' own controllers have made all of theirs. */
async function steady(): Promise<Dump> {
  let last = await dumpAll(rig);
  return until('two dumps that are the same', async () => {
    const next = await dumpAll(rig);
    const isSame = differences(last, next).length === 0;
    last = next;
    return isSame && next;
  });
}

beforeAll(async () => {
  [plane, folder] = await Promise.all([startKubernetes(), mkdtemp(join(tmpdir(), 'consular-uninstall-'))]);
  [rig, helm] = await Promise.all([openRig({ acl: true }, plane), Helm.open(plane.kubeconfig), bundle()]);
  await symlink(join(ROOT, 'dist'), join(folder, 'dist'));
  await symlink((await findHelm()).file, join(folder, 'helm'));
  await furnish(rig);
  before = await steady();
  await prepare(rig);
}, 20 * 60_000);
afterAll(async () => {
  await rig.close();
  await plane.stop();
  await rm(folder, { recursive: true });
}, 60_000);

const path = (kind: string, namespace = NAME) => `/api/v1/namespaces/${namespace}/${kind}`;

/** What the pod of the chart would run: its account, its configuration word for word, its environment. */
async function startAsInstalled(port: number): Promise<typeof daemon> {
  const { kubernetes } = rig;
  const { data } = (await kubernetes.must('GET', path('configmaps/consular'))) as Manifest & {
    data: Record<string, string>;
  };
  const { spec } = (await kubernetes.must(
    'GET',
    `/apis/apps/v1/namespaces/${NAME}/deployments/${NAME}`,
  )) as Manifest & {
    spec: { template: { spec: { serviceAccountName: string; containers: [{ args: string[]; env: Variable[] }] } } };
  };
  const [{ env, args }] = spec.template.spec.containers;
  expect(args.slice(0, 2)).toEqual(['run', '--config']);
  const secret = (await kubernetes.must('GET', path('secrets/consular-consul'))) as Manifest & {
    data: { token: string };
  };
  await writeFile(join(folder, 'token'), Buffer.from(secret.data.token, 'base64'));
  const config = join(folder, 'daemon.yaml');
  await writeFile(config, data['consular.yaml'] ?? '');
  const account = path(`serviceaccounts/${spec.template.spec.serviceAccountName}/token`);
  const { status } = await kubernetes.must('POST', account, { spec: { expirationSeconds: 3600 } });
  const kubeconfig = join(folder, 'kubeconfig');
  const { token } = status as { token: string };
  await writeKubeconfig({ file: kubeconfig, server: plane.server, caFile: plane.caFile, token });
  let stop: (signal: string) => void = () => undefined;
  const signal = new Promise<string>((resolve) => (stop = resolve));
  const ended = runCommandLine({
    args: ['run', '--config', config, ...args.slice(3)],
    env: {
      KUBECONFIG: kubeconfig,
      ...Object.fromEntries(env.map(({ name, value }) => [name, value?.replace(SECRETS, folder)])),
    },
    ...{ stdout: new PassThrough().resume(), stderr: new PassThrough().resume(), version: 'test' },
    untilSignal: () => signal,
  });
  return {
    port,
    stop: () => {
      stop('SIGTERM');
      return ended;
    },
  };
}

interface Variable {
  readonly name: string;
  readonly value?: string;
}

const addressesOf = async (namespace: string, service: string) => {
  const slices = (await rig.kubernetes.list(
    `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?labelSelector=kubernetes.io/service-name%3D${service}`,
  )) as (Manifest & { endpoints: { addresses: string[] }[] | null })[];
  return slices.flatMap(({ endpoints }) => (endpoints ?? []).flatMap(({ addresses }) => addresses));
};

const asManual = (block: string) =>
  follow(
    block,
    {
      kubeconfig: plane.kubeconfig,
      consulAddress: rig.consulServer.address,
      consulToken: rig.consulServer.managementToken ?? '',
    },
    folder,
  );

describe('an installation by the chart, and its end as docs/uninstall.md says', () => {
  it('does both directions with the rights and the configuration of the chart, and no others', async () => {
    const port = await freePort();
    await helm.call(['install', NAME, CHART, '--namespace', NAME], {
      config: {
        cluster: 'dev',
        consul: { address: rig.consulServer.address },
        http: { address: `127.0.0.1:${port}` },
        leaderElection: { enabled: true, namespace: NAME },
        toKubernetes: { namespaces: ['shop'], importNamespaces: ['web'], services: { include: ['billing'] } },
      },
      consul: { tokenKey: 'token' },
    });
    daemon = await startAsInstalled(port);
    await untilEqual(
      'the pod in Consul',
      async () => (await rig.consul.instances('dev-orders')).map(({ Service }) => Service.Address),
      ['10.42.7.1'],
    );
    await untilEqual('the mirrored Service', () => addressesOf('shop', 'billing'), ['192.0.2.50']);
    await untilEqual('what somebody’s Service takes in', () => addressesOf('web', 'accounts'), ['192.0.2.50']);
    await untilIdle(daemon);
  });

  it('leaves in both systems what Consular made until it is purged, and nothing afterwards', async () => {
    const steps = await commandsOf('docs/uninstall.md');
    await asManual(theOne(steps, 'scale deployment'));
    expect(await daemon.stop()).toBe(0);
    await untilEqual('no pods', async () => (await rig.kubernetes.list(path('pods'))).length, 0);
    await asManual(theOne(steps, 'get configmap'));
    // There is something to remove, which is exit code 2.
    const plan = await asManual(`${theOne(steps, '--dry-run').trim()} || test $? = 2`);
    expect(plan).toContain('Service shop/billing');
    const running = await dumpAll(rig);
    expect(changed(before.consul, running.consul)).toEqual([
      'check k8s-dev--node-0/dev.shop.orders-1:dev-orders:8080',
      'check k8s-dev/consular-dev',
      'instance k8s-dev--node-0/dev.shop.orders-1:dev-orders:8080',
      'instance k8s-dev/consular-dev',
      'key consular/dev/leader',
      'node k8s-dev',
      'node k8s-dev--node-0',
    ]);
    expect(changed(before.kubernetes, running.kubernetes)).toEqual(
      expect.arrayContaining([
        ...['clusterroles /consular', 'configmaps consular/consular', 'leases consular/consular-dev'],
        ...['endpoints shop/billing', 'rolebindings web/consular-import', 'services shop/billing'],
      ]),
    );
    const remove = theOne(
      steps.filter((step) => !step.includes('--dry-run')),
      'consular.mjs purge',
    );
    await asManual(`${remove.trim()} --yes dev`);
    await asManual(theOne(steps, 'helm -n consular uninstall'));
    await asManual(theOne(steps, 'kubectl delete namespace'));
    await asManual(theOne(steps, 'consul acl policy delete'));
    const rest = await asManual(theOne(steps, 'catalog/nodes'));
    expect(rest).toMatch(/^\[\](Warning: .*)?\s*No resources found\s*$/);
    await untilEqual('nothing that differs', async () => differences(before, await dumpAll(rig)), []);
  });
});
