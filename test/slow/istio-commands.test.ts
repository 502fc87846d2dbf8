import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { openRunDirectory, startKubernetes, type KubernetesPlane, type RunDirectory } from '../control-plane/index.ts';
import { commandLine } from '../rig/command-line.ts';
import { openRig, until, untilEqual, untilIdle, type Manifest, type Rig } from '../rig/index.ts';
import { clientsOf, installIstioDefinitions, installWorkloadEntries } from '../rig/istio.ts';
import { ROOT } from '../rig/manifests.ts';

describe('the commands, in mode istio', () => {
  let plane: KubernetesPlane;
  let rig: Rig;
  let run: RunDirectory;

  beforeAll(async () => {
    plane = await startKubernetes();
    rig = await openRig({}, plane);
    run = await openRunDirectory('istio-commands');
    for (const mode of ['service', 'istio']) {
      const settings = { cluster: rig.cluster, toKubernetes: { namespaces: [rig.namespace], mode } };
      await writeFile(join(run.path, mode), JSON.stringify(settings));
    }
    await rig.consul.registerOnAgent({ id: 'orders-1', name: 'orders', address: '192.0.2.61', port: 8080 });
  }, 60_000);
  afterAll(async () => {
    await run.close();
    await rig.close();
    await plane.stop();
  }, 30_000);

  async function consular(mode: 'service' | 'istio', ...args: string[]): Promise<string> {
    const environment = { KUBECONFIG: rig.kubeconfig, CONSUL_HTTP_ADDR: rig.consulServer.address };
    const { stdout, stderr } = await commandLine(environment)(...args, '--config', join(run.path, mode));
    expect(stderr).toBe('');
    return stdout;
  }
  const plan = (mode: 'service' | 'istio') => consular(mode, 'plan');
  const explain = (mode: 'service' | 'istio') => consular(mode, 'explain', 'consul-service', 'orders');

  it('say that WorkloadEntries cannot be, and why, once for all services', async () => {
    await rig.consul.registerOnAgent({ id: 'billing-1', name: 'billing', address: '192.0.2.62', port: 8080 });
    const why = 'the API server has no workloadentries.networking.istio.io';
    expect((await plan('istio')).split('\n').filter((line) => line.includes('WorkloadEntries'))).toEqual([
      `  * 2 Consul services in mode istio: mirrored without WorkloadEntries: ${why}`,
    ]);
    expect(await explain('istio')).toContain(
      `it should have WorkloadEntries in namespace ${rig.namespace}, and has none: ${why}`,
    );
    expect(await plan('service')).not.toContain('WorkloadEntries');
    expect(await explain('service')).not.toContain('WorkloadEntries');
    await rig.consul.deregisterFromAgent('billing-1');
  });

  it('show WorkloadEntries like everything else that would be written', async () => {
    await installWorkloadEntries(rig.kubernetes);
    const line = new RegExp(`create +WorkloadEntry +${rig.namespace}/orders-192.0.2.61-8080`);
    expect(await plan('istio')).toMatch(line);
    expect(await plan('istio')).not.toContain('Endpoints ');
    expect(await plan('istio')).toContain('Plan: 5 to create, 0 to update, 0 to remove, 0 rejected.');
    expect(await explain('istio')).toMatch(line);
    expect(await plan('service')).not.toContain('WorkloadEntr');
  });

  it('know what a Service was written for, and what switching it does first', async () => {
    const daemon = await rig.startDaemon({ toKubernetes: { mode: 'istio' } });
    const both = ['192.0.2.61:8080'];
    await untilEqual('clients', () => clientsOf(rig.kubernetes, rig.namespace, 'orders'), {
      everybody: both,
      mesh: both,
    });
    await untilIdle(daemon);
    await daemon.stop();
    const mirrored = `Service ${rig.namespace}/orders, which selects WorkloadEntries`;
    expect(await plan('istio')).toContain('Plan: 0 to create, 0 to update, 0 to remove, 0 rejected.');
    expect(await explain('istio')).toContain(mirrored);
    expect(await explain('service')).toContain(mirrored);
    expect(await plan('service')).toMatch(
      new RegExp(`create +EndpointSlice +${rig.namespace}/orders-.*, on its way to mode service: more steps follow`),
    );
    expect(await plan('service')).toContain('Plan: 1 to create, 0 to update, 0 to remove, 0 rejected.');
  });

  it('the examples of docs/istio.md are taken by the API server, with every field known', async () => {
    await installIstioDefinitions(rig.kubernetes);
    const text = await readFile(join(ROOT, 'docs/istio.md'), 'utf8');
    const examples = [...text.matchAll(/^```yaml\n([^]*?)^```$/gm)].flatMap(([, yaml = '']) =>
      parseAllDocuments(yaml).map((document) => document.toJS() as Manifest & { apiVersion: string; kind: string }),
    );
    expect(examples.map(({ kind }) => kind)).toEqual(['DestinationRule', 'VirtualService', 'VirtualService']);
    for (const { apiVersion, kind, metadata, spec } of examples) {
      const path = `/apis/${apiVersion}/namespaces/${rig.namespace}/${kind.toLowerCase()}s?dryRun=All&fieldValidation=Strict`;
      const example = { apiVersion, kind, metadata: { name: metadata.name }, spec };
      await until(`${kind} ${metadata.name} to be taken`, async () => {
        const { status, body } = await rig.kubernetes.call('POST', path, example);
        if (status !== 201) throw new Error(JSON.stringify(body));
        return true;
      });
    }
  });
});
