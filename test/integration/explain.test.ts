import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Explanation } from '../../src/commands/explain/explanation.ts';
import { openRunDirectory, type RunDirectory } from '../control-plane/index.ts';
import { commandLine, type CallConsular } from '../rig/command-line.ts';
import { servicesIn } from '../rig/imports.ts';
import { nextPodIP, openRig, until, untilEqual, type Rig } from '../rig/index.ts';

describe('consular explain', () => {
  let rig: Rig;
  let run: RunDirectory;
  let config: string;
  let consular: CallConsular;
  const name = (text: string) => ({ 'consular.dev/service-name': text });

  beforeAll(async () => {
    rig = await openRig();
    run = await openRunDirectory('explain');
    consular = commandLine({ KUBECONFIG: rig.kubeconfig, CONSUL_HTTP_ADDR: rig.consulServer.address });
    config = await write('consular.yaml');
  });
  afterAll(async () => {
    await run.close();
    await rig.close();
  });

  async function write(file: string, toConsul: object = {}): Promise<string> {
    const settings = {
      cluster: rig.cluster,
      toConsul: { namespaces: { include: [rig.namespace] }, ...toConsul },
      toKubernetes: { namespaces: [rig.namespace], importNamespaces: [rig.namespace] },
    };
    await writeFile(join(run.path, file), JSON.stringify(settings));
    return join(run.path, file);
  }

  const explain = (...args: string[]) => consular('explain', '--config', config, ...args);

  async function explainJson(...args: string[]): Promise<{ status: number; explanation: Explanation }> {
    const { status, stdout, stderr } = await explain(...args, '--output', 'json');
    expect(stderr).toBe('');
    return { status, explanation: JSON.parse(stdout) as Explanation };
  }

  /** Runs the daemon until that is so, and ends it. */
  async function withDaemon(reached: () => Promise<unknown>): Promise<void> {
    const daemon = await rig.startDaemon();
    await reached();
    await daemon.stop();
  }

  it('explains a pod: what would be created, then that it is there, then what differs', async () => {
    const { kubernetes, consul, namespace, cluster } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'told', {
      ip,
      annotations: { ...name('told'), 'consular.dev/service-tags': 'a' },
    });
    const id = `${cluster}.${namespace}.told:told:8080`;
    const wanted = { node: `k8s-${cluster}--node-1`, id, service: 'told', address: ip, port: 8080, tags: ['a'] };
    const before = await consul.catalogIndex();
    expect(await explainJson('pod', `${namespace}/told`)).toMatchObject({
      status: 2,
      explanation: {
        kind: 'pod',
        name: `${namespace}/told`,
        cluster,
        exists: true,
        found: expect.arrayContaining([
          { what: 'phase', value: 'Running' },
          { what: 'node', value: 'node-1 (192.0.2.11)' },
          { what: 'IPs', value: ip },
          { what: 'Ready', value: expect.stringMatching(/^True since 20/) as unknown },
        ]) as object,
        settings: [
          { source: `Pod ${namespace}/told`, key: 'consular.dev/service-name', value: 'told', note: '' },
          { source: `Pod ${namespace}/told`, key: 'consular.dev/service-tags', value: 'a', note: '' },
        ],
        decision: { rule: 'the pod is Ready', notes: [] },
        desired: [{ ...wanted, status: 'passing' }],
        observed: [],
        pods: [],
        changes: [{ action: 'create', kind: 'ServiceInstance', object: `k8s-${cluster}--node-1/${id}` }],
        rejections: [],
        warnings: [],
      },
    });
    expect(await consul.catalogIndex()).toBe(before);

    await withDaemon(() => untilEqual('the instance', () => consul.summary('told'), [`${ip}:8080 passing`]));
    const { status, explanation } = await explainJson('pod', `${namespace}/told`);
    expect(status).toBe(0);
    expect(explanation.observed).toMatchObject([{ ...wanted, origin: `ours, for Pod ${namespace}/told` }]);
    expect(explanation.changes).toEqual([]);

    await kubernetes.annotate(namespace, 'told', { 'consular.dev/service-tags': 'b' });
    const changed = await explain('pod', `${namespace}/told`);
    expect(changed.status).toBe(2);
    expect(changed.stdout).toContain(
      `~ update ServiceInstance k8s-${cluster}--node-1/${id}\n      tags: ["a"] -> ["b"]`,
    );

    await kubernetes.deletePod(namespace, 'told');
    const gone = await explain('pod', `${namespace}/told`);
    expect(gone.status).toBe(2);
    expect(gone.stdout).toContain('Kubernetes has no pod of that name');
    expect(gone.stdout).toContain('Decision\n  there is no such pod');
    expect(gone.stdout).toContain(`? unproven ServiceInstance k8s-${cluster}--node-1/${id}`);
  });

  it('says what is wrong with an annotation', async () => {
    const { kubernetes, namespace } = rig;
    await kubernetes.createPod(namespace, 'bad', {
      annotations: { ...name('bad'), 'consular.dev/service-weight': 'x' },
    });
    const { status, stdout } = await explain('pod', `${namespace}/bad`);
    expect(status).toBe(2);
    expect(stdout).toContain(
      'the pod is Ready, but something about it is wrong: what is in Consul for that is kept unchanged (held)',
    );
    expect(stdout).toContain(
      `! Pod ${namespace}/bad: InvalidAnnotation: annotation "consular.dev/service-weight": expected a number from 1 to 65535, found "x"`,
    );
    expect(stdout).toContain('Would do\n  nothing');
  });

  it('says why a pod has nothing in Consul', async () => {
    const { kubernetes, namespace } = rig;
    const other = `${namespace}-other`;
    await kubernetes.createNamespace(other);
    await kubernetes.createPod(other, 'far', { annotations: name('far') });
    await kubernetes.createPod(namespace, 'unready', { annotations: name('unready'), ready: false });
    await kubernetes.createPod(namespace, 'silent');

    const far = await explain('pod', `${other}/far`);
    expect(far.status).toBe(0);
    expect(far.stdout).toContain(`Decision\n  toConsul.namespaces does not select namespace ${other}`);

    const { status, explanation } = await explainJson('pod', `${namespace}/unready`);
    expect(status).toBe(0);
    expect(explanation.decision.rule).toBe('the pod is not Ready');
    expect(explanation.found).toContainEqual({
      what: 'Ready',
      value: expect.stringMatching(/^False since 20/) as unknown,
    });
    expect(JSON.stringify(explanation.found)).toContain('containers with unready status: [app]');
    expect(explanation.desired).toEqual([]);

    const silent = await explain('pod', `${namespace}/silent`);
    expect(silent.status).toBe(0);
    expect(silent.stdout).toContain('neither the pod nor a Service over it asks for a registration');
  });

  it("shows registrator's variables, and what of them has no effect", async () => {
    const { kubernetes, namespace } = rig;
    const env = [
      { name: 'SERVICE_NAME', value: 'old' },
      { name: 'SERVICE_ID', value: 'old-1' },
    ];
    await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/pods`, {
      metadata: { name: 'old' },
      spec: { nodeName: 'node-1', containers: [{ name: 'app', image: 'app', ports: [{ containerPort: 8080 }], env }] },
    });
    await kubernetes.setPodStatus(namespace, 'old');
    const withVariables = await write('registrator.yaml', { registrator: true });
    const { status, stdout } = await explain('pod', `${namespace}/old`, '--config', withVariables);
    expect(status).toBe(2);
    expect(stdout).toContain(`Pod ${namespace}/old, container app: SERVICE_NAME = "old"`);
    expect(stdout).toContain('+ create ServiceInstance');
    expect(stdout).toContain('container "app": "SERVICE_ID" has no effect');
    expect((await explain('pod', `${namespace}/old`)).status).toBe(0);

    const off = await explain('pod', `${namespace}/old`, '--config', await write('off.yaml', { enabled: false }));
    expect(off.status).toBe(1);
    expect(off.stderr).toContain('toConsul.enabled is false');
  });

  it('names whom a duplicate waits for, from the pod and from the Consul service', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await consul.registerOnAgent({ id: 'by-itself', name: 'twice', address: ip, port: 8080 });
    await kubernetes.createPod(namespace, 'twice', { ip, annotations: name('twice') });
    const { status, explanation } = await explainJson('pod', `${namespace}/twice`);
    expect(status).toBe(2);
    expect(explanation.changes).toEqual([]);
    expect(explanation.rejections).toMatchObject([
      {
        object: `Pod ${namespace}/twice`,
        reason: 'Duplicate',
        message: expect.stringContaining('"by-itself"') as unknown,
      },
    ]);
    const service = (await explainJson('consul-service', 'twice')).explanation;
    expect(service.pods).toEqual([
      { pod: `${namespace}/twice`, says: expect.stringContaining('Duplicate: instance "by-itself"') as unknown },
    ]);
    expect(service.observed).toMatchObject([{ id: 'by-itself', address: ip, origin: 'foreign' }]);
  });

  it('says of each instance of a Consul service where it is an endpoint, and of each edit which fields differ', async () => {
    const { kubernetes, consul, namespace } = rig;
    for (const last of [1, 2])
      await consul.registerOnAgent({ id: `vms-${last}`, name: 'vms', address: `192.0.2.9${last}`, port: 9098 });
    const service = `/api/v1/namespaces/${namespace}/services/vms`;
    await withDaemon(() => until('the mirror', () => kubernetes.find(service.replace('services', 'endpoints'))));
    await consul.setHealth('vms-2', 'fail');
    await kubernetes.must('PATCH', service, { metadata: { annotations: { 'consular.dev/port-choice': '80' } } });
    const { status, stdout } = await explain('consul-service', 'vms');
    expect(status).toBe(2);
    expect(stdout).toMatch(new RegExp(`vms-1 .* endpoint of Service ${namespace}/vms at 192\\.0\\.2\\.91:9098`));
    expect(stdout).toMatch(/vms-2 .* no endpoint: it is critical/);
    expect(stdout).toMatch(/~ update EndpointSlice .*\n {6}endpoint 192\.0\.2\.92: ready -> \(none\)/);
    await kubernetes.must('PATCH', service, { spec: { ports: [{ name: 'main', port: 80, appProtocol: 'grpc' }] } });
    const edited = await explain('service', `${namespace}/vms`);
    expect(edited.stdout).toMatch(/~ update Service .*\n {6}port 1: main 80\/TCP to .*grpc -> main 80\/TCP to main/);
    await consul.deregisterFromAgent('vms-1');
    await consul.deregisterFromAgent('vms-2');
  });

  it('explains a Service that asks, with its pods', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'behind', { ip, labels: { app: 'front' } });
    await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services`, {
      metadata: { name: 'front', annotations: { 'consular.dev/service-sync': 'true' } },
      spec: { selector: { app: 'front' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
    });
    await withDaemon(() => untilEqual('the instance', () => consul.summary('front'), [`${ip}:8080 passing`]));
    const { status, explanation } = await explainJson('service', `${namespace}/front`);
    expect(status).toBe(0);
    expect(explanation.decision.rule).toBe('the Service asks for its pods to be registered as front');
    expect(explanation.found).toContainEqual({ what: 'port', value: '80/TCP http to 8080' });
    expect(explanation.pods).toEqual([{ pod: `${namespace}/behind`, says: '1 in Consul: the pod is Ready' }]);
    expect(explanation.observed).toMatchObject([{ service: 'front', address: ip }]);

    const pod = await explain('pod', `${namespace}/behind`);
    expect(pod.status).toBe(0);
    expect(pod.stdout).toContain(`Service ${namespace}/front: consular.dev/service-sync = "true"`);
    expect(pod.stdout).toContain(`Service ${namespace}/front asks for its pods`);
  });

  it('explains a Service with an address that belongs to no pod', async () => {
    const { kubernetes, namespace } = rig;
    await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services`, {
      metadata: { name: 'loose', annotations: { 'consular.dev/service-name': 'loose' } },
      spec: { ports: [{ port: 80 }] },
    });
    await kubernetes.must('POST', `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, {
      metadata: { name: 'loose-1', labels: { 'kubernetes.io/service-name': 'loose' } },
      addressType: 'IPv4',
      ports: [{ name: '', port: 80 }],
      endpoints: [{ addresses: ['192.0.2.77'] }],
    });
    const { status, explanation } = await explainJson('service', `${namespace}/loose`);
    expect(status).toBe(2);
    expect(explanation.rejections).toMatchObject([
      { reason: 'NoPod', message: expect.stringContaining('192.0.2.77') as unknown },
    ]);
  });

  it('explains a Consul service, and the Service that it becomes', async () => {
    const { kubernetes, consul, namespace } = rig;
    await consul.registerOnAgent({ id: 'vm-1', name: 'Billing', address: '192.0.2.40', port: 9098 });
    const first = await explainJson('consul-service', 'billing');
    expect(first.status).toBe(2);
    expect(first.explanation).toMatchObject({
      exists: true,
      decision: { rule: `it is mirrored into namespace ${namespace}` },
      observed: [{ id: 'vm-1', service: 'Billing', address: '192.0.2.40', port: 9098, origin: 'foreign' }],
      rejections: [],
    });
    expect(first.explanation.changes.map(({ action, kind }) => `${action} ${kind}`)).toEqual([
      'create Service',
      'create EndpointSlice',
      'create Endpoints',
    ]);
    await withDaemon(() =>
      until('the mirror', () => kubernetes.find(`/api/v1/namespaces/${namespace}/endpoints/billing`)),
    );
    const second = await explain('consul-service', 'billing');
    expect(second.stdout).toContain(`mirrored as         Service ${namespace}/billing`);
    expect(second.status).toBe(0);
    const service = await explain('service', `${namespace}/billing`);
    expect(service.stdout).toContain("the Service is Consular's own, mirrored from Consul service Billing");
    expect(service.status).toBe(0);
    const never = await explain('consul-service', 'consul');
    expect(never.stdout).toContain('it is not mirrored: the name is one of those that never are');
    expect(never.status).toBe(0);
  });

  it('explains what a Service takes in: each instance, and why not', async () => {
    const { kubernetes, consul, namespace } = rig;
    const services = servicesIn(kubernetes, namespace);
    const [self, ours] = [nextPodIP(), nextPodIP()];
    const vm = (last: number, overrides: object = {}) =>
      consul.registerOnAgent({
        id: `hybrid-${last}`,
        name: 'hybrid',
        address: `192.0.2.${last}`,
        port: 80,
        ...overrides,
      });
    await vm(71);
    await vm(72, { status: 'critical' });
    await vm(73, { address: '127.0.0.1' });
    await vm(74, { address: self, port: 8080 });
    await vm(75, { address: ours, port: 8080, meta: { 'external-source': 'kubernetes' } });
    await kubernetes.createPod(namespace, 'hybrid', { ip: self, labels: { app: 'hybrid' } });
    await services.create(
      'takes',
      { 'consular.dev/import': 'hybrid' },
      {
        selector: { app: 'hybrid' },
        internalTrafficPolicy: 'Local',
      },
    );
    await until('the slice of the pod', async () => (await services.endpoints('takes')).length === 1);
    const [slice] = await services.slices('takes');
    const { status, explanation } = await explainJson('service', `${namespace}/takes`);
    expect(status).toBe(2);
    expect(explanation).toMatchObject({
      settings: [{ key: 'consular.dev/import', value: 'hybrid' }],
      decision: { rule: 'the Service takes Consul service hybrid in, behind its port 80/TCP http' },
      changes: [{ action: 'create', kind: 'EndpointSlice' }],
      rejections: [{ object: `Service ${namespace}/takes`, reason: 'InstanceRefused' }],
      warnings: [expect.stringContaining('internalTrafficPolicy Local')],
    });
    expect(explanation.imported.map(({ instance, imported }) => `${instance.split('/')[1] ?? ''} ${imported}`)).toEqual(
      [
        'hybrid-71 yes',
        'hybrid-72 no: it is critical',
        'hybrid-73 no: its address 127.0.0.1 is in 127.0.0.0/8 (loopback)',
        `hybrid-74 no: EndpointSlice ${slice?.metadata.name ?? ''} has it`,
        'hybrid-75 no: it came out of Kubernetes',
      ],
    );
    await services.annotate('takes', { 'consular.dev/import-port': 'web', 'consular.dev/service-name': 'hybrid' });
    const mistaken = await explain('service', `${namespace}/takes`);
    expect(mistaken.status).toBe(2);
    expect(mistaken.stdout).toContain(
      'the Service takes Consul service hybrid in, with a mistake: what it has stays, and nothing is added',
    );
    expect(mistaken.stdout).toMatch(/hybrid-71 +192\.0\.2\.71:80 +no: nothing is added before the mistake is mended/);
    expect(mistaken.stdout).toContain(`! Service ${namespace}/takes: InvalidPort:`);
    expect((await explainJson('consul-service', 'hybrid')).explanation.found).toContainEqual({
      what: 'taken in by',
      value: `Service ${namespace}/takes`,
    });
  });

  it('says which Service is in the way of a Consul service', async () => {
    const { kubernetes, consul, namespace } = rig;
    await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services`, {
      metadata: { name: 'taken' },
      spec: { ports: [{ port: 80 }] },
    });
    await consul.registerOnAgent({ id: 'taken-1', name: 'taken', address: '192.0.2.41', port: 9098 });
    const message =
      "Consul service taken cannot be mirrored: a Service with the name taken exists here and is not Consular's";
    const reason = { object: `Service ${namespace}/taken`, reason: 'NameConflict', message };
    for (const subject of [
      ['consul-service', 'taken'],
      ['service', `${namespace}/taken`],
    ])
      expect(await explainJson(...subject)).toMatchObject({ status: 2, explanation: { rejections: [reason] } });
    const rule = `it is not mirrored: Services of others have its name in namespace ${namespace}`;
    expect((await explainJson('consul-service', 'taken')).explanation.decision.rule).toBe(rule);
  });

  it.each([
    [
      ['pod', 'nowhere/nobody'],
      'explain pod nowhere/nobody: expected it in Kubernetes or in Consul, found it in neither',
    ],
    [['service', 'nowhere/nobody'], 'found it in neither'],
    [['consul-service', 'nobody'], 'found it in neither'],
    [['pod', 'a/b', '--output', 'xml'], '--output: expected text or json, found "xml"'],
  ])('refuses %j', async (args, text) => {
    const { status, stdout, stderr } = await explain(...args);
    expect(status).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain(text);
  });
});
