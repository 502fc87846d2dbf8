import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startKubernetes, type KubernetesPlane } from '../control-plane/index.ts';
import { DnsServer } from '../rig/dns-server.ts';
import { openRig, until, untilEqual, untilIdle, type Rig } from '../rig/index.ts';
import { entriesOf, installWorkloadEntries } from '../rig/istio.ts';

let dns: DnsServer;
let plane: KubernetesPlane;
let rig: Rig;

beforeAll(async () => {
  dns = await DnsServer.open();
  plane = await startKubernetes();
  rig = await openRig({}, plane);
  await installWorkloadEntries(rig.kubernetes);
}, 60_000);
afterAll(async () => {
  await rig.close();
  await plane.stop();
  await dns.close();
}, 30_000);

/** As in an ambient mesh: WorkloadEntries are all that there is of an address. */
const start = () =>
  rig.startDaemon({
    toKubernetes: {
      ...{ mode: 'istio', istio: { slices: false }, removalGrace: '0s' },
      dns: { servers: [dns.address], search: ['example.com'] },
    },
  });
const entries = () => entriesOf(rig.kubernetes, rig.namespace, 'spring');
const addresses = async () => (await entries()).map(({ spec }) => spec.address);

it('the WorkloadEntry of a host name stays over a restart while DNS does not answer, and follows DNS later', async () => {
  const { consul } = rig;
  dns.set('vm-1.example.com', ['192.0.2.51']);
  const earlier = await start();
  await consul.registerOnAgent({ id: 'spring-1', name: 'spring', address: 'vm-1', port: 8080 });
  await consul.registerOnAgent({ id: 'spring-2', name: 'spring', address: '192.0.2.52', port: 8080 });
  await untilEqual('both', addresses, ['192.0.2.51', '192.0.2.52']);
  await untilIdle(earlier);
  await earlier.stop();
  const before = await entries();
  dns.mode = 'silent';
  const asked = dns.questions.length;
  await start();
  await until('a question', () => Promise.resolve(dns.questions.length > asked));
  // The service is looked at and written again, without any word of DNS.
  await consul.registerOnAgent({ id: 'spring-3', name: 'spring', address: '192.0.2.54', port: 8080 });
  await untilEqual('all three', addresses, ['192.0.2.51', '192.0.2.52', '192.0.2.54']);
  const stayed = (await entries()).filter(({ metadata }) => !metadata.name.includes('192.0.2.54'));
  expect(stayed).toEqual(before);
  dns.mode = 'well';
  dns.set('vm-1.example.com', ['192.0.2.53']);
  await untilEqual('its new address', addresses, ['192.0.2.52', '192.0.2.53', '192.0.2.54']);
});
