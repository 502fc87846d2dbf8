import { describe, expect, it } from '@jest/globals';
import { explainImport, type ImportPart } from '../../../../src/commands/explain/import.ts';
import { SERVICE_NAME_LABEL, type Service } from '../../../../src/kubernetes/objects.ts';
import { ANNOTATION, LABEL, SLICE_MANAGER } from '../../../../src/mark.ts';
import { planServices } from '../../../../src/world/read-once.ts';
import { endpoint, instance, marked, owner, service, slice, strings } from '../../builders.ts';
import { importing, othersSlice } from '../../to-kubernetes/imports/stage.ts';
import { worldOf, type WorldGiven } from './world.ts';

async function explain(given: WorldGiven, taker: Service): Promise<ImportPart> {
  const { config, world, end } = await worldOf({ ...given, services: [taker] });
  const planned = world.toKubernetes && (await planServices(config, owner, world.toKubernetes));
  const part = await explainImport(config, world, planned, taker);
  end();
  return part;
}

/** Instance billing-NUMBER at an address of its own. */
const billing = (number: number, overrides: Parameters<typeof instance>[0] = {}) =>
  instance({ id: `billing-${number}`, service: 'Billing', address: `10.20.0.${number}`, ...overrides });

/** A slice with what was taken in earlier. */
const taken = (...addresses: string[]) =>
  slice({
    name: 'orders-consular-1',
    labels: marked(owner.cluster, { [SERVICE_NAME_LABEL]: 'orders', [LABEL.sliceManagedBy]: SLICE_MANAGER }),
    annotations: strings({ [ANNOTATION.importedFrom]: 'Billing' }),
    endpoints: addresses.map((address) => endpoint(address)),
  });

const lines = ({ imported }: ImportPart) => imported.map(({ instance, imported }) => `${instance} ${imported}`);
const changes = (part: ImportPart) => part.changes.map(({ action, kind }) => `${action} ${kind}`);

describe('a Service that takes a Consul service in', () => {
  it('tells of each instance whether it is taken in, and why not', async () => {
    const foreign = [
      billing(1),
      billing(2, { status: 'critical' }),
      billing(3, { status: 'warning' }),
      billing(4, { kind: 'connect-proxy' }),
      billing(5, { meta: strings({ 'external-source': 'kubernetes' }) }),
      billing(6, { address: '10.20.0.5' }),
      billing(7, { address: '127.0.0.1' }),
      billing(8, { address: '', nodeAddress: '10.20.0.9' }),
      billing(9, { address: '10.1.0.7' }),
    ];
    const part = await explain({ foreign, slices: [othersSlice(['10.1.0.7'])] }, importing());
    expect(part.rule).toBe('the Service takes Consul service Billing in, behind its port 80/TCP http');
    expect(lines(part)).toEqual([
      'vm-1/billing-1 yes',
      'vm-1/billing-2 no: it is critical',
      'vm-1/billing-3 yes',
      'vm-1/billing-4 no: it is a connect-proxy',
      'vm-1/billing-5 no: it came out of Kubernetes',
      'vm-1/billing-6 no: it shares its address, port and protocol with one that came out of Kubernetes',
      'vm-1/billing-7 no: its address 127.0.0.1 is in 127.0.0.0/8 (loopback)',
      'vm-1/billing-8 yes',
      'vm-1/billing-9 no: EndpointSlice orders-pods has it',
    ]);
    expect(part.imported[7]).toMatchObject({ address: '10.20.0.9', port: 8080 });
    expect(changes(part)).toEqual(['create EndpointSlice']);
  });

  it('takes none in without a tag that is required', async () => {
    const toKubernetes = { requiredTags: ['blue'] };
    const part = await explain({ foreign: [billing(1, { tags: ['blue'] }), billing(2)], toKubernetes }, importing());
    expect(lines(part)).toEqual([
      'vm-1/billing-1 yes',
      'vm-1/billing-2 no: it lacks the tag "blue" of toKubernetes.requiredTags',
    ]);
  });

  it('reads a Consul service that is not mirrored', async () => {
    const toKubernetes = { services: { exclude: ['billing'] } };
    expect(lines(await explain({ foreign: [billing(1)], toKubernetes }, importing()))).toEqual(['vm-1/billing-1 yes']);
  });

  it('keeps what it has while there is a mistake, and adds nothing', async () => {
    const foreign = [billing(1), billing(2)];
    const part = await explain({ foreign, slices: [taken('10.20.0.1')] }, importing({ 'import-port': 'web' }));
    expect(part.rule).toBe(
      'the Service takes Consul service Billing in, with a mistake: what it has stays, and nothing is added',
    );
    expect(lines(part)).toEqual([
      'vm-1/billing-1 yes',
      'vm-1/billing-2 no: nothing is added before the mistake is mended',
    ]);
    expect(part.rejections).toMatchObject([{ object: 'Service shop/orders', reason: 'InvalidPort' }]);
  });

  it('says why host names of instances lead nowhere', async () => {
    const part = await explain({ foreign: [billing(1, { address: 'vm-1.test' })] }, importing());
    expect(lines(part)).toEqual([expect.stringContaining('there is no such name in DNS')]);
  });

  it('names a port without a name by its number', async () => {
    const [port] = service().ports;
    const taker = importing({}, { ports: port ? [{ ...port, name: '' }] : [] });
    expect((await explain({}, taker)).rule).toBe('the Service takes Consul service Billing in, behind its port 80/TCP');
  });

  it('warns of a traffic policy that keeps callers away from what is taken in', async () => {
    const part = await explain({ foreign: [billing(1)] }, importing({}, { internalTrafficPolicy: 'Local' }));
    expect(part.warnings).toEqual([expect.stringContaining('internalTrafficPolicy Local')]);
    expect(part.rejections).toEqual([]);
  });
});

describe('a Service that takes nothing in', () => {
  it('loses what it has when it may not have it', async () => {
    const toKubernetes = { importNamespaces: ['web'] };
    const part = await explain({ foreign: [billing(1)], slices: [taken('10.20.0.1')], toKubernetes }, importing());
    expect(part).toMatchObject({
      rule: 'the Service may not take anything in',
      imported: [],
      rejections: [{ object: 'Service shop/orders', reason: 'ImportDenied' }],
    });
    expect(changes(part)).toEqual(['remove EndpointSlice']);
  });

  it('loses what it has when it does not ask any more', async () => {
    const part = await explain({ foreign: [billing(1)], slices: [taken('10.20.0.1')] }, service());
    expect(part).toMatchObject({ rule: 'the Service takes nothing in any more', imported: [], rejections: [] });
    expect(changes(part)).toEqual(['remove EndpointSlice']);
  });

  it.each([
    ['asks for nothing', service(), {}],
    ['asks where nothing goes to Kubernetes', importing(), { enabled: false }],
  ])('is not told of where it %s', async (_, taker, toKubernetes) => {
    const part = await explain({ foreign: [billing(1)], toKubernetes }, taker);
    expect(part).toEqual({ rule: undefined, imported: [], changes: [], rejections: [], warnings: [] });
  });
});
