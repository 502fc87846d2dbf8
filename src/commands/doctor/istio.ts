import type { ToKubernetesConfig } from '../../config/schema.ts';
import { arrayField, isObject, objectField, stringField } from '../../json.ts';
import { discover } from '../../kubernetes/discovery.ts';
import { workloadEntryKind } from '../../kubernetes/resources.ts';
import { findingsOf, type Finding } from './finding.ts';
import type { Check, Patient } from './patient.ts';
import { listPodsAnywhere } from './pods-anywhere.ts';

const find = findingsOf('istio.mode');

/** Whether Istio is there, and whether the settings fit to it. */
export const istio: Check = {
  id: 'istio.mode',
  needs: ['Kubernetes'],
  run: async (patient) => {
    const { toKubernetes } = patient.config;
    if (!toKubernetes.enabled) return [find.skipped('toKubernetes is off')];
    const kind = workloadEntryKind({ annotation: () => false });
    const [resource, istiod, ztunnel] = await Promise.all([
      discover(patient.kubernetes, kind),
      imagesOf(patient, 'app=istiod'),
      imagesOf(patient, 'app=ztunnel'),
    ]);
    const versions = istiod?.map((image) => /:([^@]+)/.exec(image.slice(image.lastIndexOf('/')))?.[1] ?? 'unknown');
    return [
      judgeIstio(toKubernetes, { apiVersion: resource?.apiVersion, versions, isAmbient: (ztunnel?.length ?? 0) > 0 }),
    ];
  },
};

/** The images of some pods with that label; undefined where pods of the whole cluster may not be listed. */
async function imagesOf({ kubernetes }: Patient, labelSelector: string): Promise<string[] | undefined> {
  const pods = await listPodsAnywhere(kubernetes, labelSelector);
  return pods
    ?.flatMap((pod) => arrayField(objectField(pod, 'spec'), 'containers').filter(isObject).slice(0, 1))
    .map((container) => stringField(container, 'image'));
}

/** What of Istio is there. */
export interface FoundIstio {
  /** Of its WorkloadEntries; undefined where the API server has none. */
  readonly apiVersion: string | undefined;
  /** Of its control plane, as the images say; none where no pod of it was found, undefined where it may not be looked for. */
  readonly versions: readonly string[] | undefined;
  /** Its ambient mode is installed. */
  readonly isAmbient: boolean;
}

/**
 * | Istio's kinds | its control plane | toKubernetes.mode | istio.slices, ambient |         |
 * |---------------|-------------------|-------------------|-----------------------|---------|
 * | no            |                   | service           |                       | ok      |
 * | no            |                   | istio             |                       | warning: it works as if the mode were service |
 * | yes           | no                | istio             |                       | warning: nobody reads WorkloadEntries |
 * | yes           | yes               | istio             | true, and ambient     | warning: both are read |
 * | yes           |                   | any other         |                       | ok      |
 */
export function judgeIstio(config: Pick<ToKubernetesConfig, 'mode' | 'istio'>, found: FoundIstio): Finding {
  const { apiVersion, versions, isAmbient } = found;
  const toService = 'toKubernetes:\n  mode: service';
  if (apiVersion === undefined)
    return config.mode === 'service'
      ? find.ok('there is no Istio, and toKubernetes.mode is service')
      : find.warning(
          'toKubernetes.mode is istio, and the API server has no WorkloadEntries: it works as with mode service',
          toService,
        );
  const version = !versions || versions.length === 0 ? '' : ` ${[...new Set(versions)].join(', ')}`;
  const what = `Istio${version} (WorkloadEntries ${apiVersion})`;
  if (config.mode === 'service')
    return find.ok(`${what} is there, and toKubernetes.mode is service: no WorkloadEntries are written`);
  if (versions?.length === 0)
    return find.warning(
      `toKubernetes.mode is istio, and no pod has the label app=istiod: is there nobody who reads WorkloadEntries?`,
      toService,
    );
  if (isAmbient && config.istio.slices)
    return find.warning(
      `${what} has the ambient mode, which reads slices and WorkloadEntries both: each endpoint counts twice there`,
      'toKubernetes:\n  istio:\n    slices: false',
    );
  return find.ok(`${what} is there, and toKubernetes.mode is istio`);
}
