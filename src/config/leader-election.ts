import * as z from 'zod';

const LABEL = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?';
const NAMESPACE = new RegExp(`^(${LABEL})?$`);
const NAME = new RegExp(`^(${LABEL}(\\.${LABEL})*)?$`);

/** Settings of how one of several Consulars of the same cluster is chosen to write. */
export const leaderElection = z
  .strictObject({
    enabled: z
      .literal(['auto', true, false])
      .default('auto')
      .describe('Let one of several processes write, by a Lease; auto: in a pod, and not with a kubeconfig.'),
    namespace: z
      .string()
      .refine((text) => NAMESPACE.test(text), 'the name of a namespace, or nothing')
      .default('')
      .describe('Namespace of the Lease; empty: that of the pod it runs in.'),
    name: z
      .string()
      .refine((text) => text.length <= 253 && NAME.test(text), 'the name of a Lease, or nothing')
      .default('')
      .describe('Name of the Lease; empty: consular- and the name of the cluster.'),
  })
  .prefault({});
