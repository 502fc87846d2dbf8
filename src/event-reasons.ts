/**
 * Every reason that there is: what is wrong, and what its reader does about it, by the object that carries the Event. The tables of
 * docs/events.md are made of these words (`npm run schema`), so links in them are those of that page. Reporting something without
 * words of its own does not compile: whoever names a reason names one of these.
 */
export type Words = Readonly<Record<string, { readonly wrong: string; readonly mend: string }>>;

const CORRECT_ANNOTATION = 'Correct the [annotation](annotations.md)';
const CORRECT_NAME = 'Choose another name';

const POD = {
  InvalidAnnotation: {
    wrong:
      "an annotation is wrong. If a key or value is nearly right, the message says what was probably meant. Also: the pod has an annotation of Consular's, and for 10 seconds nothing has given it a service name",
    mend: `${CORRECT_ANNOTATION}, or give the pod a service name`,
  },
  InvalidServiceName: {
    wrong: 'its service name has other characters than letters, digits, dots, dashes and underscores, or more than 63',
    mend: CORRECT_NAME,
  },
  InvalidPort: {
    wrong: 'it has no such port',
    mend: 'Name a [port of a container](to-consul.md#which-port), or its number',
  },
  InvalidVariable: {
    wrong: "a `SERVICE_*` variable of registrator's is wrong",
    mend: 'Correct the [variable](migrate-from-registrator.md#what-is-read)',
  },
  InvalidMeta: {
    wrong: 'Consul does not take this meta key or value, or Consular sets the key itself',
    mend: 'Change it, or leave it out',
  },
  ReservedName: { wrong: 'nobody may publish this name', mend: CORRECT_NAME },
  PolicyDenied: {
    wrong: '[`toConsul.policy`](policy.md) does not allow its namespace this name, tag or meta key',
    mend: 'Choose another, or ask whoever runs Consular for a rule',
  },
  QuotaExceeded: {
    wrong: 'its namespace has `toConsul.policy.maxInstances` instances already',
    mend: 'Nothing, if one goes soon: the pod waits for it. Else ask for a higher limit',
  },
  ConsulRefused: {
    wrong:
      'the ACLs of Consul do not let the token write this service name or this Consul node. Such an Event also comes for a pod that is gone',
    mend: 'Add the [rule that is missing](consul-acls.md#what-the-acls-of-consul-refuse): it is in the message',
  },
  Duplicate: {
    wrong: 'another registrar, or the pod itself, has registered it at the same address and port',
    mend: 'Stop the other one. Consular registers the pod when that instance goes or is critical',
  },
  InvalidAddress: {
    wrong: 'the pod has no IP of `toConsul.addressFamily`, or one that nobody can call',
    mend: 'Look at the [address](to-consul.md#which-address) in the message',
  },
  HostNetwork: {
    wrong: 'the pod has `hostNetwork`, and `toConsul.hostNetwork` is off',
    mend: 'Switch the setting on, or take the annotation away',
  },
  NodeConflict: {
    wrong:
      'the [Consul node](in-consul.md#consul-nodes) for its Kubernetes node was created by somebody else, or has an agent',
    mend: 'Remove that Consul node, if nobody needs it',
  },
  GateRefused: {
    wrong: 'its readiness gate cannot be opened: the right to patch `pods/status` is missing',
    mend: 'Apply [deploy/kubernetes/readiness-gate](../deploy/README.md#kubernetes)',
  },
  VariableIgnored: {
    wrong: "a variable of registrator's has no effect. Only one pod of each workload gets this Event",
    mend: 'Remove it, or use an [annotation](migrate-from-registrator.md#from-variables-to-annotations)',
  },
} as const satisfies Words;

const REGISTERING_SERVICE = {
  InvalidAnnotation: {
    wrong: 'an annotation is wrong. The Service gets the Event whether it has pods or not; its pods get none',
    mend: CORRECT_ANNOTATION,
  },
  InvalidServiceName: POD.InvalidServiceName,
  InvalidPort: {
    wrong:
      'it has no such port. Or for one of its pods, its EndpointSlices do not have an annotated port: no container has a port of that name, or the slices have not followed for 10 seconds',
    mend: 'Correct the annotation, or the `targetPort`',
  },
  InvalidMeta: POD.InvalidMeta,
  ReservedName: POD.ReservedName,
  PolicyDenied: POD.PolicyDenied,
  Overruled: {
    wrong: 'another Service with a smaller name registers the same instances, and wins where the two differ',
    mend: 'Annotate only one of them: [which Service wins](to-consul.md#which-service-wins)',
  },
  NoPod: {
    wrong: 'it has endpoints that belong to no pod, or it is an ExternalName, which has no pods',
    mend: 'Register these addresses in Consul yourself',
  },
} as const satisfies Words;

/** On whatever Service has instances of Consul behind it. */
const ENDPOINTS = {
  InstanceRefused: {
    wrong: 'some instances of the Consul service cannot be endpoints; the message names them',
    mend: 'Correct their [addresses](to-kubernetes.md#which-endpoints) in Consul',
  },
  HostUnresolved: {
    wrong: 'DNS has no address for the [host name](to-kubernetes.md#host-names) of an instance now',
    mend: 'Nothing, if DNS recovers: the endpoint stays at the last address',
  },
  TrafficPolicy: {
    wrong:
      'a setting of the Service (`internalTrafficPolicy: Local`, `trafficDistribution`) keeps callers away from instances outside the cluster',
    mend: 'Take the setting away',
  },
  WriteRefused: {
    wrong: 'the API server refuses a write; the message says why',
    mend: 'Mend what the message names. Consular tries again',
  },
} as const satisfies Words;

const IMPORTING_SERVICE = {
  ImportDenied: {
    wrong:
      "its namespace is not in `importNamespaces`, it is a Service of Consular's own or an ExternalName, or that Consul service is never mirrored",
    mend: 'Name the namespace in the [setting](hybrid-services.md), or take the annotation away',
  },
  InvalidAnnotation: {
    wrong: 'an annotation is wrong: what it has taken in stays, and nothing is added',
    mend: CORRECT_ANNOTATION,
  },
  InvalidPort: {
    wrong:
      'its annotations fit none of its ports: existing endpoints stay while they are healthy, and nothing is added',
    mend: 'Name one of its ports in [`import-port`](hybrid-services.md#rules)',
  },
  UnknownService: {
    wrong: 'Consul has no such service. Until it appears, what was taken in from a service of another name stays',
    mend: 'Correct the name, or remove the annotation. When Consul has the service, its instances are taken in',
  },
  ...ENDPOINTS,
} as const satisfies Words;

const MIRRORED_SERVICE = {
  ...ENDPOINTS,
  NameCollision: {
    wrong: 'its [name](names-and-ports.md#names) has a hash, because several Consul services would have the same name',
    mend: 'Nothing, or rename one of them in Consul',
  },
  NameConflict: {
    wrong: "there are v1 Endpoints with its name that are not Consular's",
    mend: 'Delete these Endpoints',
  },
  TagsOmitted: {
    wrong:
      'the tags of the Consul service are longer than the 4 KiB that their [annotation](to-kubernetes.md#the-service) may have, and are left out',
    mend: 'Nothing, if nobody reads the tags here',
  },
  ServiceShape: {
    wrong: 'it should be [headless](names-and-ports.md#headless-services) and is not, or the reverse',
    mend: 'Delete it: Consular creates it again',
  },
  AddressFamily: {
    wrong:
      'no caller reaches some instances through it: the cluster gives Services no address of their [IP family](names-and-ports.md#ip-families)',
    mend: 'Give these instances an address of a family that the cluster has, or mirror the service [headless](names-and-ports.md#headless-services)',
  },
  SharedAddress: {
    wrong: 'several instances have the same IP, in a cluster with Istio, whose sidecars would call only one of them',
    mend: 'Mirror it in [mode `istio`](istio.md)',
  },
  Contested: {
    wrong:
      'somebody changes or deletes this object in the same way each time that Consular writes it. Consular restores it at most once a minute; other changes of it are not delayed',
    mend: 'Find the other writer: `kubectl get -o yaml --show-managed-fields` names it',
  },
  Altered: {
    wrong: 'a policy or a webhook changes what Consular writes. Consular tries again at most once a minute',
    mend: 'Exempt objects with the label `app.kubernetes.io/managed-by: consular` from it',
  },
} as const satisfies Words;

const SERVICE_IN_THE_WAY = {
  NameConflict: {
    wrong: 'a Consul service has the same name and cannot be mirrored here',
    mend: 'Rename one of the two, or exclude the Consul service',
  },
} as const satisfies Words;

const NAMESPACE = {
  NamespaceClosed: {
    wrong:
      'Consular lacks rights there: nothing is written there. For a namespace that does not exist, or is being deleted, only the log says so',
    mend: 'Apply the [Role](to-kubernetes.md#a-namespace-that-cannot-be-written)',
  },
  WriteRefused: {
    wrong:
      'the API server refuses all writes there for one reason: a quota is used up, or a right is missing. There is one Event, however many services are concerned; `failing` of `/status` names them. Each Service with `consular.dev/import` gets its own Event too. Also: it refuses a Service that is not there yet',
    mend: 'Raise the quota, or apply the Role. `consular plan`, and `consular explain` for such a Service, report missing rights beforehand',
  },
  ClusterIPRangeFull: {
    wrong: 'no ClusterIP is left',
    mend: 'See [when the cluster has no ClusterIP left](names-and-ports.md#when-the-cluster-has-no-clusterip-left)',
  },
  ConsulWentBack: {
    wrong:
      'Consul lost data or was put back to an older state. Endpoints of instances that it does not have stay for 10 minutes. Each mirror namespace gets the Event',
    mend: 'Restore Consul: [signs that time went back](safety.md#signs-that-time-went-back)',
  },
  Contested: {
    wrong: 'somebody deletes a mirrored Service each time that Consular writes it',
    mend: MIRRORED_SERVICE.Contested.mend,
  },
  Altered: {
    wrong: 'a policy or a webhook changes what Consular writes for a Service that is not there yet',
    mend: MIRRORED_SERVICE.Altered.mend,
  },
} as const satisfies Words;

const DEPLOYMENT = {
  RemovalsRetained: {
    wrong: 'instances that would go stay, because [much was lost at once](lost-at-once.md)',
    mend: 'Look whether they are gone. The message has the command that lets them go',
  },
  RestartNeeded: {
    wrong: 'its file was changed, and a setting needs a restart',
    mend: '[Restart it](changing-settings.md#without-a-restart)',
  },
  ConfigurationRefused: {
    wrong: 'its file was changed, and is not valid or belongs to another cluster: the earlier settings stay in effect',
    mend: 'Correct what the message names',
  },
} as const satisfies Words;

/** Told in the log and in the metrics alone. */
const NO_OBJECT = {
  TooManyServices: {
    wrong: 'there are more services than `maxServices`',
    mend: 'Raise [the limit](settings.md#tokubernetes), or exclude services',
  },
  UnreadableService: {
    wrong:
      'a service is called `.` or `..`, which Consul takes for a path, or its name has a character that cannot be printed. In `plan` and `explain` also: the service cannot be read now, or is not believed to be gone',
    mend: 'Rename it in Consul',
  },
} as const satisfies Words;

export const EVENT_REASONS = {
  ...{ pod: POD, 'registering-service': REGISTERING_SERVICE, 'importing-service': IMPORTING_SERVICE },
  ...{ 'mirrored-service': MIRRORED_SERVICE, 'service-in-the-way': SERVICE_IN_THE_WAY },
  ...{ namespace: NAMESPACE, deployment: DEPLOYMENT, 'no-object': NO_OBJECT },
} as const;

type OfEach<Tables> =
  Tables extends Readonly<Record<string, infer Table>> ? (Table extends unknown ? keyof Table : never) : never;
export type EventReason = OfEach<typeof EVENT_REASONS>;
