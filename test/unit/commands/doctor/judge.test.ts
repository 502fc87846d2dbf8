import { describe, expect, it } from '@jest/globals';
import { judgeToken, judgeAcl, type TokenContext } from '../../../../src/commands/doctor/consul-rights.ts';
import { judgeConsulVersion, judgeDatacenter } from '../../../../src/commands/doctor/consul-catalog.ts';
import { exitCodeOf, findingsOf, reportOf } from '../../../../src/commands/doctor/finding.ts';
import { formatReport } from '../../../../src/commands/doctor/format.ts';
import { judgeName, judgeOthers } from '../../../../src/commands/doctor/identity.ts';
import { judgeIstio } from '../../../../src/commands/doctor/istio.ts';
import { judgeCertificate, judgeClock, skewMs } from '../../../../src/commands/doctor/judge-look.ts';
import { judgeFence, judgeLease, judgeStandby } from '../../../../src/commands/doctor/leader.ts';
import { judgeNamespace } from '../../../../src/commands/doctor/namespaces.ts';
import { neededAcls } from '../../../../src/commands/doctor/needed-acl.ts';
import { judgeRegistrator, judgeSync } from '../../../../src/commands/doctor/neighbours.ts';
import { judgeAttempt, targetsOfInstance, targetsOfPod } from '../../../../src/commands/doctor/network.ts';
import { judgeLogin } from '../../../../src/commands/doctor/consul-credentials.ts';
import { judgeAddresses } from '../../../../src/commands/doctor/reach-consul.ts';
import { judgeKubernetesVersion } from '../../../../src/commands/doctor/reach.ts';
import { word } from '../../../../src/commands/doctor/shell.ts';
import { parseConfig } from '../../../../src/config/load.ts';
import type { CatalogNode } from '../../../../src/consul/types.ts';
import {
  annotations,
  condition,
  container,
  instance,
  owner,
  pod,
  strings,
  toKubernetesConfig,
} from '../../builders.ts';

const NOW = Date.parse('2026-11-30T12:00:00Z');
const DAY = 86_400_000;

describe('a certificate', () => {
  const certificate = {
    ...{ subject: 'CN=server.dc1.consul', issuer: 'CN=Consul Agent CA', names: 'DNS:server.dc1.consul' },
    ...{ validTo: new Date(NOW + 365 * DAY), problem: undefined },
  };
  it.each([
    ['that is good', {}, 'ok', /valid until 2027-11-30/],
    [
      'that has expired, whatever else is wrong',
      { validTo: new Date(NOW - 1), problem: 'CERT_HAS_EXPIRED' },
      'error',
      /has expired 2026-11-30 11:59 UTC/,
    ],
    ['that ends soon', { validTo: new Date(NOW + 13 * DAY) }, 'warning', /expires 2026-12-13/],
    ['of another CA', { problem: 'SELF_SIGNED_CERT_IN_CHAIN' }, 'error', /another CA than ours has signed it/],
    [
      'for another name',
      { problem: 'ERR_TLS_CERT_ALTNAME_INVALID' },
      'error',
      /it is for other names, DNS:server\.dc1\.consul /,
    ],
    [
      'with any other fault',
      { problem: 'CERT_NOT_YET_VALID' },
      'error',
      /not believed: it is not as it should be \(CERT_NOT_YET_VALID\)/,
    ],
  ])('%s', (_, changed, level, says) => {
    const { level: found, message } = judgeCertificate(
      'consul.tls',
      { ...certificate, ...changed },
      NOW,
      (fault) => fault,
    );
    expect(found).toBe(level);
    expect(message).toMatch(says);
  });
});

describe('a clock', () => {
  // Asked at 12:00:00.0 and answered at 12:00:00.2, by ours.
  const look = (text: string) => ({ date: new Date(`2026-11-30T${text}Z`), askedMs: NOW, answeredMs: NOW + 200 });
  it.each([
    ['in the same second', '12:00:00', 0],
    ['in the second before, of which the answer may be the end', '11:59:59', 0],
    ['behind', '11:59:50', -9000],
    ['ahead', '12:00:10', 9800],
  ])('%s', (_, text, skew) => {
    expect(skewMs(look(text))).toBe(skew);
  });

  it.each([
    ['5 s are told, and which of both is ahead', look('12:00:10'), 'warning', /^its clock is 10 s ahead of ours/],
    ['behind is the other way', look('11:59:00'), 'warning', /^its clock is 59 s behind ours/],
    ['less is none', look('12:00:04'), 'ok', /agree/],
    ['one that is not told is not known', { ...look('12:00:00'), date: undefined }, 'skipped', /does not say/],
  ])('%s', (_, seen, level, says) => {
    const [finding] = judgeClock('consul.clock', seen);
    expect(finding?.level).toBe(level);
    expect(finding?.message).toMatch(says);
  });
});

describe('a version', () => {
  it.each([
    [judgeKubernetesVersion('v1.36.3'), 'ok'],
    [judgeKubernetesVersion('v1.21.0-eks-123'), 'ok'],
    [judgeKubernetesVersion('v1.20.9'), 'error'],
    [judgeKubernetesVersion('v2.0.0'), 'ok'],
    [judgeConsulVersion('1.22.0+ent'), 'ok'],
    [judgeConsulVersion('1.10.12'), 'error'],
    [judgeConsulVersion(''), 'error'],
  ])('%j', ({ level }, expected) => {
    expect(level).toBe(expected);
  });
});

describe('a datacenter', () => {
  it('that Consul does not know is told with those it knows', () => {
    expect(judgeDatacenter('dc9', ['dc1', 'dc2'])).toMatchObject({
      ...{ level: 'error', message: 'consul.datacenter: expected one that Consul knows (dc1, dc2), found dc9' },
      fix: 'consul:\n  datacenter: dc1',
    });
  });
  it.each([[''], ['dc2']])('%j is fine', (datacenter) => {
    expect(judgeDatacenter(datacenter, ['dc1', 'dc2']).level).toBe('ok');
  });
});

describe('a token', () => {
  const needed = neededAcls(parseConfig('cluster: dev', {}), []);
  const known = { accessorId: 'a-1', policies: ['consular-dev'], roles: [], createTime: '', expirationTime: '' };
  const given = { token: '', tokenFile: '', login: { authMethod: '', bearerTokenFile: '', meta: {} } };
  const byLogin = { ...given, login: { ...given.login, authMethod: 'consular-dev' } };
  const context = (changed: Partial<TokenContext> = {}): TokenContext => ({
    ...{ cluster: 'dev', consul: given, token: known, isAnonymous: false, nowMs: NOW, ...changed },
  });
  const all = needed.map(() => true);

  it.each([
    ['that is known', {}, 'ok', 'Consul knows token a-1, with policy consular-dev'],
    [
      'that ends soon',
      { token: { ...known, expirationTime: '2026-12-01T00:00:00Z' } },
      'warning',
      'token a-1 ends 2026-12-01T00:00:00Z',
    ],
    [
      'that ends later',
      { token: { ...known, expirationTime: '2027-12-01T00:00:00Z' } },
      'ok',
      'Consul knows token a-1, with policy consular-dev',
    ],
    [
      'that is unknown',
      { token: 'unknown' },
      'error',
      'Consul does not know the token (ACL not found): nothing can be read or written',
    ],
  ] as const)('%s', (_, changed, level, message) => {
    expect(judgeToken(context(changed), needed, all)).toMatchObject({ level, message });
  });

  it('that is not there is fine where the anonymous one has all rights, and else an error', () => {
    const anonymous = context({ token: 'unknown', isAnonymous: true });
    expect(judgeToken(anonymous, needed, all).level).toBe('ok');
    expect(judgeToken(anonymous, needed, [false, ...all.slice(1)]).level).toBe('error');
    expect(judgeToken(anonymous, needed, []).level).toBe('error');
  });

  it('of a login that ends soon is fine: another is made before', () => {
    const expirationTime = new Date(NOW + 1000).toISOString();
    const finding = judgeToken(context({ consul: byLogin, token: { ...known, expirationTime } }), needed, all);
    expect([finding.level, finding.message]).toEqual([
      'ok',
      'Consul knows token a-1, by a login with auth method consular-dev, with policy consular-dev',
    ]);
  });

  it('of a login without policy and role gets a right by a binding rule: a login makes another token each time', () => {
    const [acl] = needed;
    const fix = acl && judgeAcl(context({ consul: byLogin, token: { ...known, policies: [] } }), acl, false).fix;
    expect(fix).toContain('consul acl binding-rule create -method consular-dev -bind-type role');
    expect(fix).not.toContain('accessor-id');
  });

  it('without a right gets a rule more into its own policy, and keeps the others', () => {
    const fence = needed.find(({ resource }) => resource === 'key');
    if (!fence) throw new Error('look for the rule of the fence: expected one, found none');
    expect(judgeAcl(context(), fence, false)).toMatchObject({
      level: 'warning',
      subject: 'key "consular/dev/leader" write',
      fix: [
        "{ consul acl policy read -name consular-dev -format json | jq -r .Rules; cat <<'EOF'",
        'key "consular/dev/leader" {',
        '  policy = "write"',
        '}',
        'EOF',
        '} | consul acl policy update -name consular-dev -rules -',
      ].join('\n'),
    });
  });
});

describe('a login', () => {
  const login = { authMethod: 'k8s', bearerTokenFile: '/run/token', meta: {} };
  it.each([
    ['read bearer token file /run/token: ENOENT', 'ls -l /run/token', 'components: [<deploy/kubernetes/consul-login>]'],
    [
      'Consul answered 403: ACL not found: auth method "k8s" not found',
      'consul acl auth-method list',
      'create -name k8s',
    ],
    ['Consul answered 403: Permission denied', 'consul acl binding-rule list -method k8s', '-bind-name consular-dev'],
    ['Consul answered 500: error parsing token', 'consul acl auth-method read -name k8s', '/run/token'],
  ])('that fails: %s', (why, ...advice) => {
    const { level, message, fix } = judgeLogin(login, 'consular-dev', why);
    expect([level, message]).toEqual(['error', `consul.login: ${why}`]);
    for (const text of advice) expect(fix).toContain(text);
  });
});

describe('one of several addresses of Consul', () => {
  const addresses = [{ address: 'http://a:8500' }, { address: 'http://b:8500' }];
  const find = findingsOf('consul.reach');
  const away = { findings: [find.error('no answer', 'curl')], isReached: false };
  const there = { findings: [find.ok('answers')], isReached: true };
  it.each([
    ['that does not answer while another does is a warning', [away, there], ['warning', 'ok']],
    ['that does not answer, as none does, is an error', [away, away], ['error', 'error']],
  ])('%s', (_, each, levels) => {
    const found = judgeAddresses(addresses, each);
    expect(found.map(({ level }) => level)).toEqual(levels);
    expect(found.map(({ subject }) => subject)).toEqual(addresses.map(({ address }) => address));
  });
});

describe('the name of a cluster', () => {
  const node = (cluster: string, uid: string): CatalogNode => ({
    ...{ name: `k8s-${cluster}`, address: '192.0.2.1', modifyIndex: 7 },
    meta: strings({ 'managed-by': 'consular', 'k8s-cluster': cluster, 'k8s-cluster-uid': uid }),
  });

  it.each([
    ['nobody has', [], 'ok', /is free in Consul/],
    ['this cluster has', [node('prod', owner.clusterUid)], 'ok', /is this cluster's/],
    ['another cluster has', [node('prod', 'uid-2')], 'error', /belongs to another Kubernetes cluster: .* uid uid-2/],
  ])('that %s', (_, nodes, level, says) => {
    const finding = judgeName(owner, nodes, 'consular.yaml');
    expect(finding.level).toBe(level);
    expect(finding.message).toMatch(says);
  });

  it('that another has: what that one wrote cannot become a command in the advice', () => {
    const { fix = '' } = judgeName(owner, [node('prod', 'x\nrm -rf /')], 'consular.yaml');
    expect(fix.split('\n').filter((line) => !line.startsWith('#'))).toEqual(['cluster: prod-uid-']);
  });

  it('that is another than one which this cluster has too', () => {
    const nodes = [node('prod', owner.clusterUid), node('old', owner.clusterUid), node('meant', owner.clusterUid)];
    expect(judgeOthers(owner, { besides: ['meant'] }, nodes)).toMatchObject({
      level: 'error',
      message: 'this cluster is in Consul under the name old too, and "run" does not start',
    });
    expect(judgeOthers(owner, { besides: ['meant', 'old'] }, nodes).level).toBe('ok');
  });
});

describe('who leads', () => {
  const place = { namespace: 'consular', name: 'consular-prod' };
  const lease = {
    ...{
      uid: 'lease-1',
      resourceVersion: '1',
      holderIdentity: 'pod-1_a',
      leaseDurationSeconds: 15,
      leaseTransitions: 0,
    },
    ...{
      acquireTime: '',
      renewTime: new Date(NOW - 2000).toISOString(),
      labels: strings(),
      annotations: strings(),
      whole: {},
    },
  };
  const record = { epoch: 3, holder: 'pod-1_a', clusterUid: 'uid', lease: { uid: 'lease-1', transitions: 0 } };

  it.each([
    ['a leader', lease, 'ok'],
    ['no Lease', undefined, 'warning'],
    ['a Lease that was released', { ...lease, holderIdentity: '' }, 'warning'],
    ['a leader that is gone', { ...lease, renewTime: new Date(NOW - 60_000).toISOString() }, 'error'],
    ['a leader of the future', { ...lease, renewTime: new Date(NOW + 60_000).toISOString() }, 'warning'],
  ])('%s', (_, found, level) => {
    expect(judgeLease(place, found, NOW).level).toBe(level);
  });

  it.each([
    ['the holder of the Lease', lease, record, 'ok'],
    ['another holder', lease, { ...record, holder: 'pod-2_b' }, 'warning'],
    ['one by another Lease', lease, { ...record, lease: { uid: 'lease-2', transitions: 0 } }, 'error'],
    ['one, and nobody holds the Lease', { ...lease, holderIdentity: '' }, { ...record, holder: 'pod-2_b' }, 'ok'],
    ['nobody', lease, undefined, 'skipped'],
  ])('the fence names %s', (_, found, written, level) => {
    expect(judgeFence(place, found, written).level).toBe(level);
  });

  it.each([
    ['two that are ready', [true, true], 'ok'],
    ['one of two', [true, false], 'warning'],
    ['none that can be found', [], 'skipped'],
  ])('pods: %s', (_, ready, level) => {
    const pods = ready.map((isReady, i) => ({ name: `pod-${i}`, isReady }));
    expect(judgeStandby(place, pods).level).toBe(level);
  });
  it('pods: that may not be listed are no reason to warn', () => {
    expect(judgeStandby(place, undefined).level).toBe('skipped');
  });
});

describe('a namespace', () => {
  it.each([
    ['there', 'ok', undefined],
    ['absent', 'error', 'kubectl create namespace shop'],
    ['ending', 'error', 'kubectl get namespace shop -o yaml   # what holds it'],
    [undefined, 'skipped', undefined],
  ] as const)('%s', (presence, level, fix) => {
    const finding = judgeNamespace('shop', 'toKubernetes.namespaces', presence);
    expect([finding.level, finding.fix]).toEqual([level, fix]);
  });
});

describe('neighbours', () => {
  it('the sync of consul-k8s that runs is stopped by its own chart, and its nodes are removed', () => {
    const { level, message, fix } = judgeSync(new Map([['k8s-sync', 3]]), [
      { namespace: 'consul', name: 'consul-sync-catalog-1', release: 'hashi' },
    ]);
    expect(level).toBe('warning');
    expect(message).toContain(
      'its catalog sync runs (pod consul/consul-sync-catalog-1); node k8s-sync has 3 instances',
    );
    expect(fix).toContain(
      'helm -n consul upgrade hashi hashicorp/consul --reuse-values --set syncCatalog.enabled=false',
    );
    expect(fix).toContain(`-d '{"Node":"k8s-sync"}' "$CONSUL_HTTP_ADDR/v1/catalog/deregister"`);
  });
  it('no sync of consul-k8s is fine', () => {
    expect(judgeSync(new Map(), []).level).toBe('ok');
  });
  it('whether the sync of consul-k8s runs is not known where pods may not be listed; what it left is told all the same', () => {
    expect(judgeSync(new Map(), undefined).level).toBe('skipped');
    expect(judgeSync(new Map([['k8s-sync', 3]]), undefined).message).toContain('node k8s-sync has 3 instances');
  });

  const ofRegistrator = (overrides: object) => instance({ id: 'host-1:orders:8080', ...overrides });
  it.each([
    ['an instance of another kind', instance({ id: 'orders-8080' }), 'ok'],
    ['an instance of registrator on a machine', ofRegistrator({ address: '10.9.9.9' }), 'ok'],
    ['one by the name of a container of a pod', ofRegistrator({ id: 'h:k8s_app_orders_shop_1_0:8080' }), 'warning'],
    ['one at the address of a pod', ofRegistrator({ address: pod().podIPs[0] }), 'warning'],
    [
      'one of ours, whose ID has the same form',
      ofRegistrator({ address: pod().podIPs[0], meta: strings({ 'managed-by': 'consular' }) }),
      'ok',
    ],
  ])('registrator: %s', (_, found, level) => {
    expect(judgeRegistrator([pod()], [found])[0]?.level).toBe(level);
  });

  it('registrator that runs is stopped by its DaemonSet', () => {
    const running = pod({
      namespace: 'kube-tools',
      owner: { kind: 'DaemonSet', name: 'registrator' },
      containers: [container({ image: 'gliderlabs/registrator:v7' })],
    });
    expect(judgeRegistrator([running], [])[0]?.fix).toContain('kubectl -n kube-tools delete daemonset registrator');
  });
});

describe('the network', () => {
  const target = { what: 'pod shop/orders-1', address: '10.0.0.1', port: 8080 };
  it.each([
    ['open', 'ok', /answers at 10\.0\.0\.1:8080/],
    ['refused', 'warning', /is reached, and nothing listens/],
    ['silent', 'warning', /nothing answers within 2 s/],
    [{ failure: 'EHOSTUNREACH' }, 'warning', /EHOSTUNREACH/],
  ] as const)('%j', (attempt, level, says) => {
    const finding = judgeAttempt('network.pod', target, attempt);
    expect(finding.level).toBe(level);
    expect(finding.message).toMatch(says);
  });

  it('looks at annotated pods that are Ready, at the port that is registered', () => {
    const settings = { injectedContainers: [], annotationPrefix: 'consular.dev' };
    const asking = { annotations: annotations({ 'service-name': 'orders', 'service-port': '9000' }) };
    expect(targetsOfPod(pod(asking), settings).map(({ port }) => port)).toEqual([9000]);
    expect(targetsOfPod(pod(), settings)).toEqual([]);
    expect(targetsOfPod(pod({ ...asking, ready: condition({ status: 'False' }) }), settings)).toEqual([]);
  });

  it('looks at passing instances with an IP address', () => {
    expect(targetsOfInstance(instance({ address: '10.1.1.1', port: 80, status: 'passing' }))).toHaveLength(1);
    expect(targetsOfInstance(instance({ address: 'vm-1', port: 80, status: 'passing' }))).toEqual([]);
    expect(targetsOfInstance(instance({ address: '10.1.1.1', port: 80, status: 'critical' }))).toEqual([]);
  });
});

describe('Istio', () => {
  const istio = { ...toKubernetesConfig(), mode: 'istio' } as const;
  const service = { ...toKubernetesConfig(), mode: 'service' } as const;
  const there = { apiVersion: 'networking.istio.io/v1', versions: ['1.27.1'], isAmbient: false };
  const absent = { apiVersion: undefined, versions: [], isAmbient: false };
  it.each([
    ['none, and none is wanted', service, absent, 'ok'],
    ['none, and mode istio', istio, absent, 'warning'],
    ['there, and mode istio', istio, there, 'ok'],
    ['there, and mode service', service, there, 'ok'],
    ['its kinds only, and mode istio', istio, { ...there, versions: [] }, 'warning'],
    ['its control plane not to be looked at, and mode istio', istio, { ...there, versions: undefined }, 'ok'],
    ['ambient, and slices beside', istio, { ...there, isAmbient: true }, 'warning'],
    [
      'ambient, without slices',
      { ...istio, istio: { ...istio.istio, slices: false } },
      { ...there, isAmbient: true },
      'ok',
    ],
  ])('%s', (_, config, found, level) => {
    expect(judgeIstio(config, found).level).toBe(level);
  });
});

describe('a report', () => {
  const find = findingsOf('consul.right');
  it.each([
    ['without anything wrong', [find.ok('a'), find.skipped('b')], 0],
    ['with a warning', [find.ok('a'), find.warning('b', 'c')], 2],
    ['with an error', [find.warning('a', 'b'), find.error('c', 'd')], 1],
  ])('%s', (_, findings, code) => {
    expect(exitCodeOf(reportOf('prod', findings))).toBe(code);
  });

  it('is a line for each finding, what mends it as it can be copied, and a summary; a terminal obeys nothing in it', () => {
    const text = formatReport(reportOf('prod', [find.ok('fine', 'one'), find.error('bad\u001b[2J', 'mend\nit')]));
    expect(text.split('\n')).toEqual([
      'ok      consul.right one: fine',
      'ERROR   consul.right: bad\\u001b[2J',
      'mend',
      'it',
      '',
      'Doctor of prod: 1 error, 0 warnings, 1 ok, 0 skipped.',
    ]);
  });
});

describe('a word of a shell command', () => {
  it.each([
    ['shop', 'shop'],
    ['', "''"],
    ['$(reboot)', "'$(reboot)'"],
    ["it's", `'it'\\''s'`],
    ['a\nb', "'a\\u000ab'"],
  ])('%j', (text, expected) => {
    expect(word(text)).toBe(expected);
  });
});
