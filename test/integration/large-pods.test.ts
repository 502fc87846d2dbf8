import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { nextPodIP, openRig, until, untilEqual, untilIdle, type Rig } from '../rig/index.ts';

/** A pod with more registrations than one transaction of Consul holds operations for. */
describe('a pod with many registrations', () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await openRig();
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  const onNode = async (node: string) => {
    const path = `/catalog/node-services/k8s-${rig.cluster}--${node}`;
    const { Services } = (await rig.consul.must('GET', path)) as { Services: { Address: string }[] | null };
    return (Services ?? []).map(({ Address }) => Address);
  };
  const times = (count: number, text: string) => Array.from({ length: count }, () => text);

  it('is at its new address alone when it came back on another node while Consular was stopped', async () => {
    const { kubernetes, namespace } = rig;
    const annotations = Object.fromEntries(
      Array.from({ length: 50 }, (_, i) => [`consular.dev/service-name.${9000 + i}`, `es-${i}`]),
    );
    const [before, after] = [nextPodIP(), nextPodIP()];
    const first = await rig.startDaemon();
    await kubernetes.createPod(namespace, 'es-0', { ip: before, node: 'node-1', annotations });
    await untilEqual('all at the first address', () => onNode('node-1'), times(50, before));
    await first.stop();
    await kubernetes.deletePod(namespace, 'es-0');
    await kubernetes.createPod(namespace, 'es-0', { ip: after, node: 'node-2', annotations });
    const second = await rig.startDaemon();
    await untilEqual('all at the new address', () => onNode('node-2'), times(50, after));
    expect(await onNode('node-1')).toEqual([]);
    expect(await rig.consul.summary('es-7')).toEqual([`${after}:9007 passing`]);
    await second.stop();
  });

  it("comes and goes with 128 ports of registrator's", async () => {
    const { kubernetes, consul, namespace } = rig;
    const daemon = await rig.startDaemon({ toConsul: { registrator: true } });
    const ip = nextPodIP();
    const ports = Array.from({ length: 128 }, (_, i) => ({ containerPort: 7000 + i }));
    const env = [{ name: 'SERVICE_NAME', value: 'wide' }];
    await kubernetes.createPod(namespace, 'wide-0', { ip, node: 'node-0', ports, env });
    await untilEqual('all ports', () => onNode('node-0'), times(128, ip));
    await kubernetes.setReady(namespace, 'wide-0', false);
    await untilEqual('none', () => onNode('node-0'), []);
    await kubernetes.setReady(namespace, 'wide-0', true);
    await untilEqual('all again', () => onNode('node-0'), times(128, ip));
    await untilIdle(daemon);
    await until('each is passing', async () => (await consul.summary('wide-7127')).join() === `${ip}:7127 passing`);
    await daemon.stop();
  });
});
