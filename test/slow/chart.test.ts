import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { isClusterName } from '../../src/config/schema.ts';
import { openRig, until, type Rig } from '../rig/index.ts';
import { CHART, Helm } from '../rig/helm.ts';
import { MANIFESTS, pathOf, render, ROOT, type Rendered } from '../rig/manifests.ts';
import { rightsOf } from '../rig/rights.ts';

const NAME = 'app.kubernetes.io/name';
/** As deploy/kubernetes is shipped. */
const SHIPPED = parse(readFileSync(join(MANIFESTS, 'consular.yaml'), 'utf8')) as Record<string, unknown>;

let helm: Helm;
beforeAll(async () => {
  helm = await Helm.open();
}, 20 * 60_000);

/** What Helm puts on objects, and kustomize into names, is no difference. */
function plain(objects: readonly Rendered[]): Map<string, unknown> {
  const text = JSON.stringify(objects, (key, value: unknown) => {
    if (['labels', 'matchLabels'].includes(key)) return { [NAME]: (value as Record<string, string>)[NAME] };
    if (key === 'annotations' && 'checksum/config' in (value as object)) return undefined;
    // Defaults of Kubernetes, which charts are expected to let people set.
    return ['imagePullPolicy', 'revisionHistoryLimit'].includes(key) ? undefined : value;
  });
  const same = text.replaceAll(/"consular-[a-z0-9]{10}"/g, '"consular"');
  const parsed = JSON.parse(same) as (Rendered & { data?: Record<string, string> })[];
  return new Map(
    parsed
      .map(({ data, ...object }): [string, unknown] => [
        pathOf(object),
        // Kustomize gives what it generates no labels; its text has comments.
        data ? { ...object, metadata: {}, data: parse(data['consular.yaml'] ?? '') as unknown } : object,
      ])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

const config = (more: object = {}) => ({ config: { cluster: 'dev', ...more } });

describe('the chart', () => {
  it('passes the strict linter', async () => {
    expect(await helm.call(['lint', '--strict', CHART], config())).toContain('0 chart(s) failed');
  });

  it('makes what kustomize makes, object for object, without the namespace', async () => {
    const rendered = plain(await helm.render({ config: SHIPPED }));
    const expected = plain(render(MANIFESTS).filter(({ kind }) => kind !== 'Namespace'));
    expect([...rendered.keys()]).toEqual([...expected.keys()]);
    expect(rendered).toEqual(expected);
  });

  it('gives with watch: namespaces the rights of a tenant, and no ClusterRole', async () => {
    const tenant = join(ROOT, 'deploy/tenant');
    const settings = parse(readFileSync(join(tenant, 'consular.yaml'), 'utf8')) as object;
    const rendered = plain(await helm.render({ config: settings }));
    expect(rendered).toEqual(plain(render(tenant)));
  });

  it.each([
    ['a setting that Consular does not have', config({ toConsul: { notready: 'critical' } }), /notready/],
    ['a value that a setting does not take', config({ toKubernetes: { minHealth: 'good' } }), /minHealth/],
    ['no cluster', {}, /cluster/],
    ['a cluster whose name Consular refuses', { config: { cluster: 'Dev' } }, /config\.cluster: .*"Dev"/],
    ['a value that the chart does not have', { ...config(), replica: 3 }, /replica/],
    ['a key without a Secret', { ...config(), consul: { existingSecret: '', tokenKey: 'token' } }, /existingSecret/],
  ])('refuses %s', async (_, values, why) => {
    await expect(helm.render(values)).rejects.toThrow(why);
  });

  it('takes the names of clusters that Consular takes, and no others, whether or not somebody looks at the schema', async () => {
    const names = [
      'd',
      '1',
      'dev-1',
      'a'.repeat(40),
      'a'.repeat(41),
      'Dev',
      'de--v',
      '-dev',
      'dev-',
      'dev.1',
      'dev\n',
      'dév',
    ];
    const verdicts = names.map(async (cluster) => {
      const rendered = helm.call(['template', 'consular', CHART, '--skip-schema-validation'], { config: { cluster } });
      return [
        cluster,
        await rendered.then(
          () => true,
          ({ message }: Error) => !message.includes('config.cluster: '),
        ),
      ];
    });
    expect(await Promise.all(verdicts)).toEqual(names.map((name) => [name, isClusterName(name)]));
  });

  it('names the Lease, the Secret, its keys, and the image as the values say', async () => {
    const objects = await helm.render(
      {
        ...config({
          leaderElection: { name: 'ours', namespace: 'leases' },
          consul: { login: { authMethod: 'k8s', bearerTokenFile: '/run/consular/login/token' } },
        }),
        consul: { existingSecret: 'acl', tokenKey: 'token', caKey: 'ca.crt' },
        image: { registry: 'one.test', digest: 'sha256:abc' },
        global: { imageRegistry: 'all.test', ofAnother: 'chart' },
      },
      'edge',
      'registrar',
    );
    const leases = rightsOf(objects).filter(({ resource, verb }) => resource === 'leases' && verb !== 'create');
    expect(leases.map(({ namespace, resourceName }) => [namespace, resourceName])[0]).toEqual(['leases', 'ours']);
    const { spec } = objects.find(({ kind }) => kind === 'Deployment') as Rendered & { spec: PodOwner };
    const [container] = spec.template.spec.containers;
    expect(container.image).toBe('all.test/consular@sha256:abc');
    expect(container.env).toEqual([
      { name: 'CONSUL_CACERT', value: '/run/consular/consul/ca.crt' },
      { name: 'CONSUL_HTTP_TOKEN_FILE', value: '/run/consular/consul/token' },
    ]);
    expect(spec.template.spec.volumes).toContainEqual({
      name: 'consul',
      secret: { secretName: 'acl', optional: false, defaultMode: 0o440 },
    });
    expect(spec.template.spec.volumes.map(({ name }) => name)).toContain('consul-login');
    expect(spec.template.spec.serviceAccountName).toBe('edge-consular');
  });
});

interface PodOwner {
  readonly template: {
    readonly spec: {
      readonly serviceAccountName: string;
      readonly containers: [{ readonly image: string; readonly env: readonly { name: string; value: string }[] }];
      readonly volumes: readonly { readonly name: string }[];
    };
  };
}

describe('a release on a real API server', () => {
  const RELEASE = 'consular-chart';
  let rig: Rig;
  let installer: Helm;

  beforeAll(async () => {
    rig = await openRig();
    installer = await Helm.open(rig.kubeconfig);
    await rig.kubernetes.must('POST', '/api/v1/namespaces', {
      metadata: { name: RELEASE, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
    });
  }, 60_000);
  afterAll(async () => {
    await installer.call(['uninstall', RELEASE, '--namespace', RELEASE, '--ignore-not-found']);
    await rig.kubernetes.call('DELETE', `/api/v1/namespaces/${RELEASE}`);
    await rig.close();
  }, 60_000);

  const values = (namespaces: readonly string[], more: object = {}) => ({
    ...config({ toKubernetes: { namespaces } }),
    ...more,
  });
  const helmed = (command: string, ...args: string[]) => [command, RELEASE, ...args, '--namespace', RELEASE];
  const isThere = async (object: string) => (await rig.kubernetes.call('GET', object)).status === 200;
  const roleIn = (namespace: string) =>
    `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/roles/${RELEASE}-mirror`;

  it('is installed, and its pods are admitted', async () => {
    await installer.call(helmed('install', CHART), values(['default']));
    const pods = `/api/v1/namespaces/${RELEASE}/pods`;
    await until('two pods', async () => (await rig.kubernetes.list(pods)).length === 2);
    expect(await isThere(roleIn('default'))).toBe(true);
  });

  it('gets the rights in a namespace that is added, and keeps those in one that was taken out for as long as it is told', async () => {
    await installer.call(helmed('upgrade', CHART), values(['default', rig.namespace]));
    expect(await isThere(roleIn(rig.namespace))).toBe(true);
    await installer.call(helmed('upgrade', CHART), values(['default'], { rbac: { extraNamespaces: [rig.namespace] } }));
    expect(await isThere(roleIn(rig.namespace))).toBe(true);
    await installer.call(helmed('upgrade', CHART), values(['default']));
    expect(await isThere(roleIn(rig.namespace))).toBe(false);
  });

  it('goes back to an earlier revision', async () => {
    await installer.call(helmed('rollback', '2'));
    expect(await isThere(roleIn(rig.namespace))).toBe(true);
  });

  it('leaves nothing when it is uninstalled', async () => {
    const made = await helm.render(values(['default', rig.namespace]), RELEASE, RELEASE);
    expect(await Promise.all(made.map((object) => isThere(pathOf(object))))).toEqual(made.map(() => true));
    await installer.call(helmed('uninstall'));
    expect(await Promise.all(made.map((object) => isThere(pathOf(object))))).toEqual(made.map(() => false));
  });
});
