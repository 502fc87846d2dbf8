import { openRunDirectory, startControlPlane, type ControlPlane, type RunDirectory } from '../control-plane/index.ts';
import { ConsulApi } from '../rig/consul.ts';
import { startConsular, type Consular } from '../rig/consular.ts';
import { KubernetesApi } from '../rig/kubernetes.ts';
import { settings } from './consular.ts';

/** Both systems and the daemon between them, all real and all this demo's own. */
export interface Stage {
  readonly plane: ControlPlane;
  /** Ends, with all processes of the demo, when the demo does. */
  readonly run: RunDirectory;
  readonly consul: ConsulApi;
  readonly kubernetes: KubernetesApi;
  startConsular(): Promise<Consular>;
  close(): Promise<void>;
}

export async function openStage(): Promise<Stage> {
  const plane = await startControlPlane();
  const run = await openRunDirectory('demo');
  const consul = new ConsulApi(plane.consul.address);
  const kubernetes = new KubernetesApi(plane.kubernetes.server, plane.kubernetes.caFile, plane.kubernetes.adminToken);
  return {
    ...{ plane, run, consul, kubernetes },
    startConsular: () => startConsular(run, settings(plane)),
    close: async () => {
      await run.close();
      await Promise.all([consul.close(), kubernetes.close()]);
      await plane.stop();
    },
  };
}
