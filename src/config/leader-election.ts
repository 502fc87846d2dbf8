import * as z from 'zod';
import { text } from './values.ts';

const LABEL = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?';
const NAMESPACE = new RegExp(`^(${LABEL})?$`);
const NAME = new RegExp(`^(${LABEL}(\\.${LABEL})*)?$`);

/** Settings of how one of several Consulars of the same cluster is chosen to write. */
export const leaderElection = z
  .strictObject({
    enabled: z
      .literal(['auto', true, false])
      .default('auto')
      .describe('Elect by a Lease which of several processes writes. auto: only in a pod, and not with a kubeconfig.'),
    namespace: text('the name of a namespace, or nothing', (name) => NAMESPACE.test(name))
      .default('')
      .describe('Namespace of the Lease. Empty: the namespace of the pod that Consular runs in.'),
    name: text('the name of a Lease, or nothing', (name) => name.length <= 253 && NAME.test(name))
      .default('')
      .describe('Name of the Lease. Empty: consular- and the name of the cluster.'),
  })
  .prefault({});
