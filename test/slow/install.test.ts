import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { findHelm } from '../control-plane/index.ts';
import { bundle } from '../rig/bundle.ts';
import { startChartRegistry, type ChartRegistry } from '../rig/chart-registry.ts';
import { follow } from '../rig/doctor.ts';
import { openRig, until, type Rig } from '../rig/index.ts';
import { startKubelet } from '../rig/kubelet.ts';
import { ROOT } from '../rig/manifests.ts';
import { commandsOf, fileOf, theOne } from '../rig/page.ts';

/** Where the pages say that a release has its chart. People write the name of an account in place of OWNER. */
const PUBLISHED = 'oci://ghcr.io/OWNER/consular/charts/consular';
const REPOSITORY = 'somebody/consular/charts/consular';
const CONFIG = '/api/v1/namespaces/consular/configmaps/consular';
const DEPLOYMENT = '/apis/apps/v1/namespaces/consular/deployments/consular';

let rig: Rig;
let folder = '';
let registry: ChartRegistry;

const inFolder = (name: string) => join(folder, name);
const textOf = (name: string) => readFile(inFolder(name), 'utf8');

const run = (block: string) =>
  follow(
    block,
    {
      kubeconfig: rig.kubeconfig,
      consulAddress: rig.consulServer.address,
      consulToken: rig.consulServer.managementToken ?? '',
    },
    folder,
  );

/** The chart as a release would push it, in a registry of the test's own. */
async function publish(): Promise<ChartRegistry> {
  const chart = {
    name: 'consular',
    ...(parse(await textOf('deploy/helm/consular/Chart.yaml')) as { version: string }),
  };
  await run('helm package deploy/helm/consular');
  return startChartRegistry(REPOSITORY, chart, await readFile(inFolder(`consular-${chart.version}.tgz`)));
}

/** The command of a release, word for word but for the address. */
async function runRelease(block: string): Promise<string> {
  expect(block).toContain(`${PUBLISHED} --version `);
  return run(block.replace(PUBLISHED, `--plain-http oci://${registry.address}/${REPOSITORY}`));
}

async function runAll(page: string, heading: string): Promise<string> {
  const blocks = await commandsOf(page, heading);
  expect(blocks.length).toBeGreaterThan(0);
  let said = '';
  for (const block of blocks) said += await run(block);
  return said;
}

beforeAll(async () => {
  [rig, folder] = await Promise.all([openRig({ acl: true }), mkdtemp(join(tmpdir(), 'consular-install-')), bundle()]);
  await cp(join(ROOT, 'deploy'), inFolder('deploy'), { recursive: true });
  await symlink(join(ROOT, 'dist'), inFolder('dist'));
  await symlink((await findHelm()).file, inFolder('helm'));
  await writeFile(inFolder('consul-ca.pem'), 'a certificate\n');
  registry = await publish();
}, 20 * 60_000);
afterAll(async () => {
  await Promise.all([rig.close(), registry.close()]);
  await rm(folder, { recursive: true });
}, 30_000);

async function settings(): Promise<Record<string, unknown>> {
  const { data } = (await rig.kubernetes.must('GET', CONFIG)) as unknown as { data: Record<string, string> };
  return parse(data['consular.yaml'] ?? '') as Record<string, unknown>;
}

async function image(): Promise<string> {
  const { spec } = (await rig.kubernetes.must('GET', DEPLOYMENT)) as unknown as {
    spec: { template: { spec: { containers: [{ image: string }] } } };
  };
  return spec.template.spec.containers[0].image;
}

const secret = async () =>
  (await rig.kubernetes.must('GET', '/api/v1/namespaces/consular/secrets/consular-consul')) as unknown as {
    data: Record<string, string>;
  };
const decoded = (text = '') => Buffer.from(text, 'base64').toString();
const policies = async () => (await rig.consul.must('GET', '/acl/policies')) as { Name: string }[];
const tokens = async () =>
  (await rig.consul.must('GET', '/acl/tokens')) as { Policies?: { Name: string }[]; AccessorID: string }[];
const ofConsular = (list: Awaited<ReturnType<typeof tokens>>) =>
  list.filter(({ Policies = [] }) => Policies.some(({ Name }) => Name === 'consular-dev'));

/** As somebody writes a part of a file below what is there. */
async function mergeIntoValues(part: string): Promise<void> {
  const { config, ...rest } = parse(await textOf('values.yaml')) as { config: object };
  const added = parse(part) as { config: object };
  await writeFile(inFolder('values.yaml'), stringify({ ...rest, config: { ...config, ...added.config } }));
}

/** The indented commands that the chart prints. */
const commandsIn = (notes: string) => [...notes.matchAll(/^ {4}(\S.*)$/gm)].map(([, command = '']) => command);

describe('the commands of the manual, as somebody copies them', () => {
  let kubelet: ReturnType<typeof startKubelet>;
  beforeAll(() => {
    kubelet = startKubelet(rig.kubernetes, 'consular');
  });
  afterAll(() => kubelet.stop());

  it('README.md: the chart of a release, an image of one’s own, and one mirrored service', async () => {
    const blocks = await commandsOf('README.md', 'Install');
    await run(theOne(blocks, 'cat > values.yaml'));
    const notes = await runRelease(theOne(blocks, PUBLISHED));
    const purge = 'purge --config consular.yaml --account consular/consular';
    expect(commandsIn(notes)).toEqual(
      expect.arrayContaining([`node dist/consular.mjs ${purge}`, 'kubectl delete namespace consular']),
    );
    expect(notes).toMatch(new RegExp(`docker run .*\\\\\n      consular:\\S+ \\\\\n      ${purge}\n`));
    expect(notes).not.toMatch(/token\.txt|CONSUL_CACERT/);
    expect(await settings()).toMatchObject({ cluster: 'dev', consul: { address: 'http://consul-server.consul:8500' } });
    expect(await image()).toMatch(/^consular:/);

    await run(theOne(blocks, 'helm upgrade --install consular deploy/helm/consular'));
    expect(await image()).toMatch(/^registry\.example\.com\/consular:/);
    expect(await run(theOne(blocks, 'rollout status'))).toContain('successfully rolled out');

    await mergeIntoValues(await fileOf('README.md', 'yaml', 'One mirrored service'));
    const [again = ''] = await commandsOf('README.md', 'One mirrored service');
    await runRelease(again);
    expect(await settings()).toMatchObject({ toKubernetes: { services: { include: ['billing'] } } });
    await run('helm -n consular uninstall consular && kubectl delete namespace consular && rm values.yaml');
  });

  it('docs/install.md: with Helm, with ACLs and TLS, and the notes of the chart', async () => {
    const page = 'docs/install.md';
    await runAll(page, 'Write the values');
    await runAll(page, 'Make the namespace');
    await runAll(page, 'Only with ACLs');
    await runAll(page, 'Only with TLS');
    const { data } = await secret();
    const token = decoded(data.token).trim();
    expect(Object.keys(data).sort()).toEqual(['ca.crt', 'token']);
    expect(decoded(data['ca.crt'])).toBe('a certificate\n');
    const own = await fetch(`${rig.consulServer.address}/v1/acl/token/self`, { headers: { 'X-Consul-Token': token } });
    expect(((await own.json()) as { Policies: object[] }).Policies).toMatchObject([{ Name: 'consular-dev' }]);
    const { Rules } = (await rig.consul.must('GET', '/acl/policy/name/consular-dev')) as { Rules: string };
    expect(Rules).toContain('service "orders"');

    // What the page says to uncomment.
    await writeFile(inFolder('values.yaml'), (await textOf('values.yaml')).replaceAll(/^# /gm, ''));
    const blocks = await commandsOf(page, 'Install the chart');
    const notes = await runRelease(theOne(blocks, PUBLISHED));
    expect(notes).toContain(
      'node dist/consular.mjs purge --config consular.yaml --token-file token.txt --account consular/consular\n',
    );
    await run('mv token.txt token-made.txt');
    await run(
      commandsIn(notes)
        .filter((command) => / get (secret|configmap) /.test(command))
        .join('\n'),
    );
    expect(await textOf('token.txt')).toBe(await textOf('token-made.txt'));
    expect(await textOf('ca.crt')).toBe('a certificate\n');
    expect(parse(await textOf('consular.yaml'))).toEqual(await settings());

    await run(theOne(blocks, 'helm upgrade --install consular deploy/helm/consular'));
    expect(await image()).toMatch(/^registry\.example\.com\/consular:/);
    await run('helm -n consular uninstall consular');
  });

  it('docs/install.md: with the manifests, after a look at what would be done', async () => {
    const page = 'docs/install.md';
    await runAll(page, '3. Make the namespace');
    const blocks = await commandsOf(page, '6. Look, and apply');
    // There is something to do, which is exit code 2.
    const plan = await run(`${theOne(blocks, 'node dist/consular.mjs plan').trim()} || [ $? = 2 ]`);
    expect(plan).toMatch(/create .*k8s-dev/);
    await run(theOne(blocks, 'kubectl apply -k'));
    expect(await runAll(page, '7. Ask what is missing')).toContain('successfully rolled out');
  });

  it('docs/consul-acls.md: one more name', async () => {
    const file = inFolder('deploy/consul/policy.hcl');
    const rule = await fileOf('docs/consul-acls.md', 'hcl', 'One more name');
    await writeFile(file, `${await readFile(file, 'utf8')}\n${rule}`);
    await runAll('docs/consul-acls.md', 'One more name');
    const { Rules } = (await rig.consul.must('GET', '/acl/policy/name/consular-dev')) as { Rules: string };
    expect(Rules).toContain('service "payments"');
  });

  it('docs/migrate-from-consul-k8s.md: a line for each Service that has entries, with the name that they have', async () => {
    const { kubernetes, consul, namespace } = rig;
    await kubernetes.createPod(namespace, 'orders-1', { labels: { app: 'orders' } });
    for (const name of ['orders', 'front'])
      await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services`, {
        metadata: { name },
        spec: { selector: { app: 'orders' }, ports: [{ port: 80, targetPort: 8080 }] },
      });
    const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
    await until('both slices to have the pod', async () =>
      ((await kubernetes.list(slices)) as { endpoints?: object[] | null }[]).filter(
        ({ endpoints }) => endpoints?.length,
      ),
    );
    await until('two of them', async () => (await kubernetes.list(slices)).length === 2);
    await consul.must('PUT', '/catalog/register', {
      Node: 'k8s-sync',
      Address: '127.0.0.1',
      Service: {
        ID: 'orders-shop-0123456789ab',
        Service: "orders-shop's",
        Meta: { 'external-k8s-ns': namespace, 'external-k8s-ref-name': 'orders-1' },
      },
    });
    const [block = ''] = await commandsOf('docs/migrate-from-consul-k8s.md', 'Annotate all Services at once');
    expect(await run(block)).toBe(
      `kubectl -n '${namespace}' annotate service 'orders' consular.dev/service-name='orders-shop'\\''s'\n`,
    );
    await consul.must('PUT', '/catalog/deregister', { Node: 'k8s-sync' });
  });

  it('docs/uninstall.md: nothing of it is left in either system', async () => {
    expect(ofConsular(await tokens())).toHaveLength(1);
    const steps = await commandsOf('docs/uninstall.md');
    await run(theOne(steps, 'scale deployment'));
    const left = await run(theOne(steps, 'kubectl delete -k'));
    expect(left).toContain('namespace "consular" deleted');
    // The last command lists what carries the label, in namespaces of other tests too.
    expect(left.split('\n').filter((line) => /^(consular|default) .*\brole/.test(line))).toEqual([]);
    expect(left).toMatch(/No resources found|^NAMESPACE /m);
    await run(theOne(steps, 'consul acl token delete'));
    expect(ofConsular(await tokens())).toEqual([]);
    expect((await policies()).map(({ Name }) => Name)).not.toContain('consular-dev');
    await until('the namespace to be gone', async () => !(await rig.kubernetes.find('/api/v1/namespaces/consular')));
  });
});
