/**
 * What the objects of the replayed cluster are called, computed from their number. Each text has the same length whatever
 * the number, so that one recorded object can be written over with the texts of any other.
 */
export const NAMESPACE = 'default';

const digits = (number: number, width: number) => String(number).padStart(width, '0');
/** Two digits of base 100, each written as 100 to 199. */
const octets = (number: number) => `${100 + (Math.floor(number / 100) % 100)}.${100 + (number % 100)}`;
const uid = (kind: number, number: number) => `${kind}0000000-0000-4000-8000-${digits(number, 12)}`;

export const MOST_PODS = 900_000;

export const podName = (index: number) => `pod-${digits(index, 6)}`;
export const podIP = (index: number) => `10.${100 + Math.floor(index / 10_000)}.${octets(index)}`;
export const podUid = (index: number) => uid(1, index);
export const nodeName = (index: number) => `node-${digits(index, 5)}`;
export const nodeIP = (index: number) => `172.${100 + Math.floor(index / 10_000)}.${octets(index)}`;
export const nodeUid = (index: number) => uid(2, index);
export const serviceName = (index: number) => `service-${digits(index, 5)}`;
/** In the range of the control plane, 10.96.0.0/16. */
export const serviceIP = (index: number) => `10.96.${octets(index)}`;
export const serviceUid = (index: number) => uid(3, index);
export const sliceUid = (index: number) => uid(4, index);

/** Of ten digits: longer than any version of a control plane that was started for the benchmark. */
export const FIRST_VERSION = 1_000_000_000;

/** What is recorded: the first pod of each such service, in this order. */
export const SAMPLE_SIZES = [1, 10, 15, 100] as const;
export const FIRST_SAMPLE_POD = MOST_PODS;
export const FIRST_SAMPLE_NODE = 90_000;
export const FIRST_SAMPLE_SERVICE = 90_000;
