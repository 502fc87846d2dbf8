import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { SHIPPED_ACCOUNT } from '../../src/commands/namespace-rights.ts';
import { parseConfig } from '../../src/config/load.ts';
import { createResources } from '../../src/kubernetes/resources.ts';
import { mirrorRights } from '../../src/world/mirror-rights.ts';
import { findProgram } from '../debian.ts';
import { KUBECTL } from '../rig/doctor.ts';
import { openRig, until, untilEqual, type Manifest, type Rig } from '../rig/index.ts';
import {
  apply,
  MANIFESTS,
  pathOf,
  readDockerfile,
  readKubeconfig,
  render,
  ROOT,
  type Rendered,
} from '../rig/manifests.ts';
import { isAllowed, rightsOf } from '../rig/rights.ts';

const run = promisify(execFile);

interface Container {
  readonly image: string;
  readonly args: string[];
  readonly ports: { name: string; containerPort: number }[];
  readonly volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
  readonly securityContext: object;
}
interface PodSpec {
  readonly containers: [Container];
  readonly topologySpreadConstraints: object[];
  readonly volumes: {
    name: string;
    configMap?: { name: string };
    secret?: { secretName: string; optional: boolean };
  }[];
}
interface Deployment extends Rendered {
  readonly spec: { template: { metadata: Manifest['metadata']; spec: PodSpec } };
}

const objects = render(MANIFESTS);
const ofKind = <T extends Rendered>(kind: string): T => {
  const found = objects.filter((object) => object.kind === kind);
  if (found.length !== 1) throw new Error(`look for the ${kind}: expected one, found ${found.length}`);
  return found[0] as T;
};
const deployment = ofKind<Deployment>('Deployment');
const configMap = ofKind<Rendered & { data: Record<string, string> }>('ConfigMap');
const podSpec = deployment.spec.template.spec;
const [container] = podSpec.containers;
const subjectsOf = (binding: string) =>
  objects.flatMap(({ kind, metadata, subjects }) =>
    kind === 'RoleBinding' && metadata.name === binding ? (subjects as object[]) : [],
  );

const PODS = '/api/v1/namespaces/consular/pods';
const DEPLOYMENT = '/apis/apps/v1/namespaces/consular/deployments/consular';
const READY = { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } };

const accountOf = ({ spec }: Manifest) => (spec as { serviceAccountName: string }).serviceAccountName;
const newIn = (names: readonly string[], before: readonly string[]) => names.filter((name) => !before.includes(name));

async function namesOfPods({ kubernetes }: Rig): Promise<string[]> {
  return (await kubernetes.list(PODS)).map(({ metadata }) => metadata.name);
}

/** Those that nobody has deleted: there is no kubelet that would confirm the end of the others. */
async function livePods({ kubernetes }: Rig): Promise<string[]> {
  const pods = await kubernetes.list(PODS);
  return pods
    .filter(({ metadata }) => !('deletionTimestamp' in metadata))
    .filter(({ status }) =>
      (status as typeof READY.status).conditions.some((one) => one.type === 'Ready' && one.status === 'True'),
    )
    .map(({ metadata }) => metadata.name);
}

const evict = ({ kubernetes }: Rig, name: string) =>
  kubernetes.call('POST', `${PODS}/${name}/eviction`, {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name },
  });

async function evictionsAllowed({ kubernetes }: Rig): Promise<number | undefined> {
  const { status } = await kubernetes.must('GET', '/apis/policy/v1/namespaces/consular/poddisruptionbudgets/consular');
  return (status as { disruptionsAllowed?: number } | undefined)?.disruptionsAllowed;
}

interface DeploymentStatus {
  readonly availableReplicas?: number;
  readonly unavailableReplicas?: number;
}

async function statusOfDeployment({ kubernetes }: Rig): Promise<DeploymentStatus> {
  return (await kubernetes.must('GET', DEPLOYMENT)).status as DeploymentStatus;
}
const availableReplicas = async (rig: Rig) => (await statusOfDeployment(rig)).availableReplicas;
const unavailableReplicas = async (rig: Rig) => (await statusOfDeployment(rig)).unavailableReplicas;

const rollTo = ({ kubernetes }: Rig, generation: string) =>
  kubernetes.must('PATCH', DEPLOYMENT, { spec: { template: { metadata: { annotations: { generation } } } } });

describe('the manifests', () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await openRig();
  }, 60_000);
  afterAll(async () => {
    for (const object of [...objects].reverse()) await rig.kubernetes.call('DELETE', pathOf(object));
    await rig.close();
  }, 30_000);

  it('are taken by the API server, with every field known and without a warning', async () => {
    const admin = readKubeconfig(rig.kubeconfig);
    for (const object of objects)
      expect({ object, warnings: await apply(admin, object) }).toEqual({ object, warnings: [] });
  });

  it('become two pods, which the restricted level of pod security admits', async () => {
    const pods = '/api/v1/namespaces/consular/pods';
    await untilEqual('the pods', async () => (await rig.kubernetes.list(pods)).map(accountOf), [
      'consular',
      'consular',
    ]);
    const careless = {
      metadata: { name: 'careless' },
      spec: { ...podSpec, containers: [{ ...container, securityContext: {} }] },
    };
    const refused = await rig.kubernetes.call('POST', pods, careless);
    expect(refused.status).toBe(403);
    expect(refused.body.message).toContain('violates PodSecurity "restricted:latest"');
  });

  it('let nodes be emptied one after the other while both pods are ready, and at will while neither is', async () => {
    const [first = '', second = ''] = await namesOfPods(rig);
    await Promise.all([first, second].map((name) => rig.kubernetes.setPodStatus('consular', name)));
    await untilEqual('room for one eviction', () => evictionsAllowed(rig), 1);
    expect((await evict(rig, first)).status).toBe(201);
    // Whoever evicted it had it killed too; the ReplicaSet makes another, which is not ready.
    await rig.kubernetes.call('DELETE', `${PODS}/${first}`, { gracePeriodSeconds: 0 });
    const third = await until('a pod in its place', async () =>
      (await namesOfPods(rig)).find((name) => name !== second),
    );
    await untilEqual('no room for another', () => evictionsAllowed(rig), 0);
    expect((await evict(rig, second)).status).toBe(429);
    await Promise.all([second, third].map((name) => rig.kubernetes.setPodStatus('consular', name, { ready: false })));
    await until('an eviction', async () => (await evict(rig, second)).status === 201);
    await rig.kubernetes.call('DELETE', `${PODS}/${second}`, { gracePeriodSeconds: 0 });
  });

  it('roll to pods that become ready, and lose neither leader nor standby to pods that do not', async () => {
    await until('two pods', async () => (await namesOfPods(rig)).length === 2);
    const before = await namesOfPods(rig);
    await Promise.all(before.map((name) => rig.kubernetes.setPodStatus('consular', name)));
    await until('both to count', async () => (await availableReplicas(rig)) === 2);
    await rollTo(rig, 'never-ready');
    const stuck = await until('a third pod', async () => newIn(await namesOfPods(rig), before)[0]);
    await rig.kubernetes.setPodStatus('consular', stuck, { ready: false });
    await until('the third pod to count as one that is not ready', async () => (await unavailableReplicas(rig)) === 1);
    expect((await namesOfPods(rig)).sort()).toEqual([...before, stuck].sort());
    // What was wrong is corrected.
    await rollTo(rig, 'ready');
    const after = await until('two new pods, made ready as they come', async () => {
      const fresh = newIn(await namesOfPods(rig), [...before, stuck]);
      for (const name of fresh) await rig.kubernetes.call('PATCH', `${PODS}/${name}/status`, READY);
      expect((await livePods(rig)).length).toBeGreaterThanOrEqual(2);
      return fresh.length === 2 && (await livePods(rig)).length === 2 && fresh;
    });
    expect((await livePods(rig)).sort()).toEqual([...after].sort());
  });

  it('spread the pods of one generation over nodes, wherever there is more than one', () => {
    const { labels = {} } = deployment.spec.template.metadata as { labels?: Record<string, string> };
    expect(podSpec.topologySpreadConstraints).toEqual([
      {
        ...{ maxSkew: 1, topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway' },
        ...{ labelSelector: { matchLabels: labels }, matchLabelKeys: ['pod-template-hash'] },
      },
    ]);
    expect(ofKind<Rendered & { spec: { selector: object } }>('PodDisruptionBudget').spec.selector).toEqual({
      matchLabels: labels,
    });
  });

  it('give it what its rules name, and nothing that leads further', async () => {
    const account = { namespace: 'consular', name: 'consular' };
    const may = (verb: string, resource: string, namespace: string, apiGroup = '', resourceName?: string) =>
      isAllowed(rig.kubernetes, account, { verb, resource, apiGroup, resourceName, clusterWide: false }, namespace);
    for (const right of rightsOf(objects))
      expect([right.name, await isAllowed(rig.kubernetes, account, right, right.namespace ?? 'default')]).toEqual([
        right.name,
        true,
      ]);
    const rules = objects.flatMap(({ rules = [] }) => rules as Record<string, string[]>[]);
    expect(rules.flatMap((rule) => Object.values(rule).flat()).filter((word) => word.includes('*'))).toEqual([]);
    const forbidden = await Promise.all([
      may('create', 'services', 'kube-system'),
      may('patch', 'services', 'consular'),
      may('create', 'endpoints', 'kube-system'),
      may('create', 'endpointslices', 'kube-system', 'discovery.k8s.io'),
      may('get', 'secrets', 'default'),
      may('get', 'secrets', 'consular'),
      may('get', 'configmaps', 'consular'),
      may('patch', 'pods', 'default'),
      may('delete', 'pods', 'default'),
      may('create', 'pods', 'consular'),
      may('get', 'namespaces', 'default', '', 'default'),
      may('watch', 'namespaces', '', '', 'consular'),
      may('list', 'namespaces', ''),
      may('create', 'serviceaccounts', 'consular'),
      may('create', 'leases', 'default', 'coordination.k8s.io'),
      may('update', 'leases', 'consular', 'coordination.k8s.io', 'consular-other'),
      may('update', 'leases', 'kube-system', 'coordination.k8s.io', 'consular-dev'),
      may('list', 'leases', 'consular', 'coordination.k8s.io'),
      may('delete', 'leases', 'consular', 'coordination.k8s.io', 'consular-dev'),
      may('get', 'replicasets', 'default', 'apps'),
      may('get', 'deployments', 'consular', 'apps', 'consular'),
      may('patch', 'deployments', 'consular', 'apps', 'consular'),
    ]);
    expect(forbidden).toEqual(forbidden.map(() => false));
  });

  it('give in a mirror namespace what the daemon asks for there', () => {
    const given = rightsOf(objects).filter(({ role }) => role === 'consular-mirror');
    const { read, write } = mirrorRights(createResources({ annotation: () => true, variable: () => true }), 'default');
    const asked = [...read, ...write].map(({ verb, group, resource }) => [verb, group, resource].join());
    expect(asked.sort()).toEqual(given.map(({ verb, apiGroup, resource }) => [verb, apiGroup, resource].join()).sort());
  });

  it('are of the account that consular plan asks about', () => {
    const { metadata } = ofKind('ServiceAccount');
    expect({ namespace: metadata.namespace, name: metadata.name }).toEqual(SHIPPED_ACCOUNT);
  });

  it('give the right to the status of pods in a folder of its own, to the same account', () => {
    const optional = render(join(MANIFESTS, 'readiness-gate'));
    expect(rightsOf(optional).map(({ name, clusterWide }) => ({ name, clusterWide }))).toEqual([
      { name: 'patch pods/status', clusterWide: true },
    ]);
    expect(optional.flatMap(({ subjects = [] }) => subjects)).toEqual(subjectsOf('consular-mirror'));
    expect(rightsOf(objects).map(({ name }) => name)).not.toContain('patch pods/status');
  });

  it('give the rights for imports in a folder of its own, and of what is mirrored only the slices', () => {
    const optional = render(join(MANIFESTS, 'import-namespace'));
    expect(rightsOf(optional).map(({ name, namespace }) => [name, namespace])).toEqual(
      ['create', 'patch', 'delete'].map((verb) => [`${verb} endpointslices.discovery.k8s.io`, 'default']),
    );
    expect(optional.flatMap(({ subjects = [] }) => subjects)).toEqual(subjectsOf('consular-mirror'));
  });

  it('mount a configuration that is one, and at the place where the daemon looks for it', () => {
    const [command, flag, path = ''] = container.args;
    expect([command, flag]).toEqual(['run', '--config']);
    const mount = container.volumeMounts.find(({ mountPath }) => mountPath === dirname(path));
    const volume = podSpec.volumes.find(({ name }) => name === mount?.name);
    expect(volume?.configMap?.name).toBe(configMap.metadata.name);
    const text = configMap.data[basename(path)] ?? '';
    const config = parseConfig(text, {});
    expect(config.cluster).toBe('dev');
    expect(config.http.address).toBe(`0.0.0.0:${container.ports[0]?.containerPort ?? 0}`);
    const mirror = objects.filter(({ kind, metadata }) => kind === 'Role' && metadata.name === 'consular-mirror');
    expect(mirror.map(({ metadata }) => metadata.namespace)).toEqual(config.toKubernetes.namespaces);
    const watched = rightsOf(objects).filter(({ role }) => role === 'consular-namespaces');
    expect([...new Set(watched.map(({ resourceName }) => resourceName))]).toEqual(config.toKubernetes.namespaces);
    const leases = rightsOf(objects).filter(({ resource, verb }) => resource === 'leases' && verb !== 'create');
    expect(new Set(leases.map(({ resourceName }) => resourceName))).toEqual(new Set([`consular-${config.cluster}`]));
  });

  it('mount the token and the CA of Consul, when there are any, where the configuration offers them', () => {
    const uncommented = (configMap.data['consular.yaml'] ?? '').replaceAll(/^( *)# (?=\w+File: )/gm, '$1');
    const { tokenFile, caFile } = parseConfig(uncommented, {}).consul;
    const volume = podSpec.volumes.find(({ secret }) => secret?.secretName === 'consular-consul');
    const mount = container.volumeMounts.find(({ name }) => name === volume?.name);
    expect(volume?.secret?.optional).toBe(true);
    expect([tokenFile, caFile]).toEqual(['token', 'ca.crt'].map((key) => `${mount?.mountPath ?? ''}/${key}`));
  });

  // Without kubectl this fails: the renderer of the tests would be held to nothing.
  it.each([
    ['deploy/kubernetes'],
    ['deploy/tenant'],
    ...readdirSync(MANIFESTS)
      .filter((name) => existsSync(join(MANIFESTS, name, 'rights.yaml')))
      .map((name) => [join('deploy/kubernetes', name)]),
  ])(
    'are rendered by the tests as kubectl renders them: %s',
    async (path) => {
      const kubectl = await findProgram(KUBECTL);
      if ('missing' in kubectl) throw new Error(`render ${path}: ${kubectl.missing}`);
      const { stdout } = await run(kubectl.file, ['kustomize', join(ROOT, path)]);
      const rendered = parseAllDocuments(stdout).map((document) => document.toJS() as Rendered);
      const inOrder = (list: Rendered[]) =>
        new Map(list.map((object) => [pathOf(object), object] as const).sort(([a], [b]) => (a < b ? -1 : 1)));
      expect(inOrder(render(join(ROOT, path)))).toEqual(inOrder(rendered));
    },
    300_000,
  );
});

describe('the Dockerfile', () => {
  const [build, image, ...others] = readDockerfile(join(ROOT, 'deploy/Dockerfile'));
  const find = (stage: typeof image, name: string) =>
    (stage?.instructions ?? []).filter((instruction) => instruction.name === name).map(({ text }) => text);
  const sourcesOf = (text: string) => text.split(' ').slice(0, -1);
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'consular-image-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('has two stages on Node 24, both named by digest, and what comes out of the first is what the second takes', () => {
    expect(others).toEqual([]);
    expect(build?.name).toBe('build');
    expect(build?.image).toMatch(/^docker\.io\/library\/node:24-trixie-slim@sha256:[0-9a-f]{64}$/);
    expect(image?.image).toMatch(/^gcr\.io\/distroless\/nodejs24-debian13:nonroot@sha256:[0-9a-f]{64}$/);
    expect(find(image, 'COPY')).toEqual(['--from=build /image/ /']);
    expect(find(build, 'WORKDIR')).toEqual(['/src']);
  });

  it('runs nothing in the stage that is the image, which has no shell', () => {
    expect(find(image, 'RUN')).toEqual([]);
    for (const name of ['ENTRYPOINT', 'CMD'])
      expect(find(image, name).map((text) => text.startsWith('['))).toEqual([true]);
  });

  it('copies what is in the repository, and the build sees that', () => {
    const copied = find(build, 'COPY')
      .flatMap(sourcesOf)
      .map((source) => source.replace(/\/$/, ''));
    for (const source of copied) expect([source, existsSync(join(ROOT, source))]).toEqual([source, true]);
    const ignore = readFileSync(join(ROOT, 'deploy/Dockerfile.dockerignore'), 'utf8').split('\n');
    const seen = ignore.flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []));
    expect(ignore).toContain('*');
    expect(seen.sort()).toEqual(copied.sort());
  });

  it('installs without scripts of packages, and runs as a user that is a number and not root', () => {
    expect(find(build, 'RUN').filter((text) => /\bnpm (ci|install)\b/.test(text))).toEqual([
      expect.stringContaining('--ignore-scripts'),
    ]);
    const { runAsUser, runAsGroup } = (podSpec as unknown as { securityContext: Record<string, number> })
      .securityContext;
    expect(find(image, 'USER')).toEqual([`${runAsUser ?? 0}:${runAsGroup ?? 0}`]);
    expect(runAsUser).toBeGreaterThan(0);
  });

  it('builds from the files that it copies, and the bundle runs alone', async () => {
    const source = join(folder, 'src');
    const app = join(folder, 'app');
    for (const path of find(build, 'COPY').flatMap(sourcesOf))
      cpSync(join(ROOT, path), join(source, path), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(source, 'node_modules'));
    expect(find(build, 'RUN')).toContain('node build.js');
    await run(process.execPath, ['build.js'], { cwd: source });
    mkdirSync(app);
    cpSync(join(source, 'dist'), app, { recursive: true });
    expect(JSON.parse(find(image, 'ENTRYPOINT')[0] ?? '')).toEqual(['/nodejs/bin/node', '/app/consular.mjs']);
    const { stdout } = await run(process.execPath, [join(app, 'consular.mjs'), '--version'], { env: {} });
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(stdout).toBe(`${version}\n`);
    expect(container.image).toBe(`consular:${version}`);
    expect(readdirSync(app)).toEqual(['consular.mjs', 'parts']);
  });
});
