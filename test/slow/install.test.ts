import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findHelm } from '../control-plane/index.ts';
import { follow } from '../rig/doctor.ts';
import { openRig, until, type Rig } from '../rig/index.ts';
import { ROOT } from '../rig/manifests.ts';

/** What needs an engine for images, a kubelet, or the bundle: other tests are about these. */
const NOT_HERE = /^(docker|npm|node) |kubectl -n consular exec|node dist/m;

/** The commands below a heading of a page, each block as somebody copies it. */
async function commandsOf(page: string, heading: string): Promise<string[]> {
  const text = await readFile(join(ROOT, page), 'utf8');
  const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`read ${page}: expected the heading "${heading}", found none`);
  return blocksIn(section);
}

const blocksIn = (text: string) =>
  [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)]
    .map(([, block = '']) => block)
    .filter((block) => !NOT_HERE.test(block));

/** The page has a step for each number, in bold. */
async function stepsOf(page: string): Promise<string[]> {
  const text = await readFile(join(ROOT, page), 'utf8');
  return blocksIn(text.split(/^## /m)[0] ?? '');
}

const CONFIG = '/api/v1/namespaces/consular/configmaps/consular';
let rig: Rig;
let folder = '';

beforeAll(async () => {
  rig = await openRig({ acl: true });
  folder = await mkdtemp(join(tmpdir(), 'consular-install-'));
  await cp(join(ROOT, 'deploy'), join(folder, 'deploy'), { recursive: true });
  await writeFile(join(folder, 'consul-ca.pem'), 'a certificate\n');
}, 60_000);
afterAll(async () => {
  await rig.close();
  await rm(folder, { recursive: true });
}, 30_000);

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

async function runAll(page: string, heading: string): Promise<void> {
  const blocks = await commandsOf(page, heading);
  expect(blocks.length).toBeGreaterThan(0);
  for (const block of blocks) await run(block);
}

/** A rollout may have taken the pod away meanwhile. */
async function makeReady(pod: string): Promise<void> {
  try {
    await rig.kubernetes.setPodStatus('consular', pod);
  } catch (error) {
    if (await rig.kubernetes.find(`/api/v1/namespaces/consular/pods/${pod}`)) throw error;
  }
}

/** There is no kubelet: whatever pod comes is Ready a moment later. */
function startMakingPodsReady(): { stop: () => Promise<void> } {
  let isOver = false;
  const making = (async () => {
    while (!isOver) {
      const pods = await rig.kubernetes.list('/api/v1/namespaces/consular/pods');
      await Promise.all(pods.map(({ metadata }) => makeReady(metadata.name)));
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  })();
  return {
    stop: async () => {
      isOver = true;
      await making;
    },
  };
}

const secret = async () =>
  (await rig.kubernetes.must('GET', '/api/v1/namespaces/consular/secrets/consular-consul')) as unknown as {
    data: Record<string, string>;
  };
const policies = async () => (await rig.consul.must('GET', '/acl/policies')) as { Name: string }[];
const tokens = async () =>
  (await rig.consul.must('GET', '/acl/tokens')) as { Policies?: { Name: string }[]; AccessorID: string }[];
const ofConsular = (list: Awaited<ReturnType<typeof tokens>>) =>
  list.filter(({ Policies = [] }) => Policies.some(({ Name }) => Name === 'consular-dev'));

describe('the commands of the manual, as somebody copies them', () => {
  it('README.md: the chart, and one mirrored service', async () => {
    await symlink((await findHelm()).file, join(folder, 'helm'));
    const ready = startMakingPodsReady();
    try {
      await runAll('README.md', 'Install');
      await runAll('README.md', 'One mirrored service');
      const { data } = (await rig.kubernetes.must('GET', CONFIG)) as unknown as { data: Record<string, string> };
      expect(data['consular.yaml']).toMatch(/cluster: shop\n[^]*include:\n\s*- billing\n/);
      await run('kubectl -n consular rollout status deployment/consular && helm -n consular uninstall consular');
      await run('kubectl delete namespace consular');
    } finally {
      await ready.stop();
    }
  });

  it('docs/install.md: namespace, policy, token, Secret, CA, and the manifests', async () => {
    await runAll('docs/install.md', '3. Make the namespace');
    await runAll('docs/install.md', '4. Only with ACLs in Consul');
    await runAll('docs/install.md', '5. Only with TLS in Consul');
    const { data } = await secret();
    const token = Buffer.from(data.token ?? '', 'base64')
      .toString()
      .trim();
    expect(Object.keys(data).sort()).toEqual(['ca.crt', 'token']);
    expect(Buffer.from(data['ca.crt'] ?? '', 'base64').toString()).toBe('a certificate\n');
    const own = await fetch(`${rig.consulServer.address}/v1/acl/token/self`, { headers: { 'X-Consul-Token': token } });
    expect(((await own.json()) as { Policies: object[] }).Policies).toMatchObject([{ Name: 'consular-dev' }]);
    const ready = startMakingPodsReady();
    try {
      await runAll('docs/install.md', '6. Look, and apply');
    } finally {
      await ready.stop();
    }
  });

  it('docs/consul-acls.md: one more name', async () => {
    const file = join(folder, 'deploy/consul/policy.hcl');
    const page = await readFile(join(ROOT, 'docs/consul-acls.md'), 'utf8');
    const [, rule = ''] = /^```hcl\n([\s\S]*?)^```/m.exec(page) ?? [];
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
    const [block = ''] = await commandsOf('docs/migrate-from-consul-k8s.md', 'To Consul: what is different');
    expect(await run(block)).toBe(
      `kubectl -n '${namespace}' annotate service 'orders' consular.dev/service-name='orders-shop'\\''s'\n`,
    );
    await consul.must('PUT', '/catalog/deregister', { Node: 'k8s-sync' });
  });

  it('docs/uninstall.md: nothing of it is left in either system', async () => {
    expect(ofConsular(await tokens())).toHaveLength(1);
    const [scale = '', deletion = '', acls = ''] = await stepsOf('docs/uninstall.md');
    await run(scale);
    const left = await run(deletion);
    expect(left).toContain('namespace "consular" deleted');
    // The last command lists what carries the label, in namespaces of other tests too.
    expect(left.split('\n').filter((line) => /^(consular|default) .*\brole/.test(line))).toEqual([]);
    expect(left).toMatch(/No resources found|^NAMESPACE /m);
    await run(acls);
    expect(ofConsular(await tokens())).toEqual([]);
    expect((await policies()).map(({ Name }) => Name)).not.toContain('consular-dev');
    await until('the namespace to be gone', async () => !(await rig.kubernetes.find('/api/v1/namespaces/consular')));
  });
});
