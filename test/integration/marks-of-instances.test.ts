import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openRig, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

/** What instances say of themselves in Consul, by tags, IDs, meta and weights, and what becomes of them in Kubernetes. */
describe('what an instance says of itself', () => {
  let rig: Rig;
  let daemon: Daemon;
  let mirrored: Mirrored;

  beforeAll(async () => {
    rig = await openRig();
    mirrored = new Mirrored(rig);
    daemon = await rig.startDaemon({
      toKubernetes: { removalGrace: '0s', services: { include: ['*', 'named-mgmt'] } },
    });
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  describe('that it is the management entry of a Spring application', () => {
    const register = (name: string, id: string, address: string, tags: string[] = []) =>
      rig.consul.registerOnAgent({ id, name, address, port: 8081, tags });

    it('keeps it out of Kubernetes, and an application that is only called like one is mirrored', async () => {
      await register('orders', 'orders-1', '192.0.2.30');
      await register('orders-mgmt', 'orders-1-mgmt', '192.0.2.30');
      await register('bills-mgmt', 'bills-mgmt', '192.0.2.31', ['management']);
      await register('user-management', 'user-management', '192.0.2.32');
      await register('edge-sidecar-proxy', 'edge-sidecar-proxy', '192.0.2.33');
      await untilEqual('the application', () => mirrored.addresses('user-management'), ['192.0.2.32:8081']);
      await untilEqual('no proxy', () => mirrored.addresses('edge-sidecar-proxy'), ['192.0.2.33:8081']);
      await untilEqual('orders', () => mirrored.addresses('orders'), ['192.0.2.30:8081']);
      await untilIdle(daemon);
      expect(await mirrored.names()).toEqual(['edge-sidecar-proxy', 'orders', 'user-management']);
    });

    it('does not count where the settings have its name', async () => {
      await register('named-mgmt', 'named-mgmt', '192.0.2.34', ['management']);
      await untilEqual('the entry', () => mirrored.addresses('named-mgmt'), ['192.0.2.34:8081']);
    });
  });
});
