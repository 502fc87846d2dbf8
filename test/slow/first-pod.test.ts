import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundle } from '../rig/bundle.ts';
import { follow } from '../rig/doctor.ts';
import { openRig, until, untilEqual, type Daemon, type DaemonOptions, type Rig } from '../rig/index.ts';
import { startKubelet } from '../rig/kubelet.ts';
import { ROOT } from '../rig/manifests.ts';
import { fileOf, shownOf } from '../rig/page.ts';

const PAGE = 'docs/first-pod.md';
const PODS = '/api/v1/namespaces/default/pods?labelSelector=app%3Dorders';
/** As the page has them: the name of the cluster, the namespace, the mirrored service. */
const OPTIONS: DaemonOptions = {
  cluster: 'dev',
  toConsul: { namespaces: { include: ['default'], exclude: [] } },
  toKubernetes: { namespaces: ['default'], services: { include: ['billing'] } },
};

let rig: Rig;
let folder: string;
let kubelet: ReturnType<typeof startKubelet>;
let daemon: Daemon;

beforeAll(async () => {
  [rig, folder] = await Promise.all([openRig(), mkdtemp(join(tmpdir(), 'consular-first-pod-')), bundle()]);
  await symlink(join(ROOT, 'dist'), join(folder, 'dist'));
  await writeFile(join(folder, 'consular.yaml'), JSON.stringify(rig.settingsOf(OPTIONS).settings));
  kubelet = startKubelet(rig.kubernetes, 'default');
  daemon = await rig.startDaemon(OPTIONS);
}, 20 * 60_000);
afterAll(async () => {
  await daemon.stop();
  // Other tests have the same API server.
  await rig.kubernetes.call('DELETE', '/apis/apps/v1/namespaces/default/deployments/orders');
  await rig.kubernetes.call('DELETE', '/api/v1/namespaces/default/services/billing');
  await kubelet.stop();
  await rig.close();
  await rm(folder, { recursive: true });
}, 60_000);

const run = (command: string) =>
  follow(command, { kubeconfig: rig.kubeconfig, consulAddress: rig.consulServer.address, consulToken: '' }, folder);
/** The commands of a step of the page. */
async function commandsOf(step: string): Promise<string[]> {
  return (await shownOf(PAGE, step)).map(({ command }) => command);
}
const lines = (text: string) => text.trimEnd().split('\n');
/** What is the same whatever pods and addresses are called. */
const shape = (text: string) =>
  lines(text).map((line) =>
    line
      .replaceAll(/orders-[a-z0-9]+-[a-z0-9]+/g, 'POD')
      .replaceAll(/\b\d+\.\d+\.\d+\.\d+/g, 'IP')
      .replaceAll(/worker-1|node-1/g, 'NODE')
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:]+Z/g, 'TIME'),
  );

describe('docs/first-pod.md', () => {
  it('registers the pods of the Deployment that it shows, as soon as they are asked for and Ready', async () => {
    await writeFile(join(folder, 'orders.yaml'), await fileOf(PAGE, 'yaml'));
    await run('kubectl apply -f orders.yaml');
    const [ask] = await shownOf(PAGE, '1. Ask for it');
    expect(await run(ask?.command ?? '')).toBe(ask?.output);
    await run('kubectl rollout status deployment orders');
    const [list = ''] = await commandsOf('2. Wait for the pods');
    const pods = await until('the two new pods', async () => {
      const rows = lines(await run(list));
      return rows.length === 3 && rows;
    });
    expect(pods[0]).toMatch(/^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE /);

    const [look] = await shownOf(PAGE, '3. Look into Consul');
    await untilEqual('both in Consul', async () => shape(await run(look?.command ?? '')), shape(look?.output ?? ''));
  });

  it('says why', async () => {
    const [explain] = await shownOf(PAGE, '4. Ask why');
    const [pod] = await rig.kubernetes.list(PODS);
    // The same in a pod of Consular, and on one's machine.
    const command = (explain?.command ?? '')
      .replace(/^kubectl [^]*?-- \\\n\s*consular/, 'node dist/consular.mjs')
      .replace(/orders-\w+-\w+/, pod?.metadata.name ?? '')
      .replace('/etc/consular/', '');
    expect(shape(await run(command))).toEqual(shape(explain?.output ?? ''));
  });

  it('takes a pod out that is not Ready, and both with their Deployment', async () => {
    const [one, none] = await shownOf(PAGE, '6. Take it out');
    const [pod] = await rig.kubernetes.list(PODS);
    await rig.kubernetes.setReady('default', pod?.metadata.name ?? '', false);
    await untilEqual('the other one', async () => shape(await run(one?.command ?? '')), shape(one?.output ?? ''));
    await run('kubectl delete deployment orders');
    await untilEqual('none', async () => lines(await run(none?.command ?? '')), lines(none?.output ?? ''));
  });

  it('mirrors a service of a machine', async () => {
    await rig.consul.registerOutside('billing', '10.20.0.12', 9098);
    const [service = '', slices = ''] = await commandsOf('The other way round');
    await until('the Service', async () => /^billing .* 80\/TCP,9098\/TCP /m.test(await run(service)));
    await until('its slice', async () => /^billing-\w+ .* 9098,9098 +10\.20\.0\.12 /m.test(await run(slices)));
  });
});
