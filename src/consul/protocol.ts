import type { ServiceInstance } from './types.ts';

/** What an instance speaks below its application: Consul has no field for it, so that those who register say it by their marks. */
export type InstanceProtocol = 'TCP' | 'UDP';

/** In the order in which a Service has its ports. */
export const PROTOCOLS: readonly InstanceProtocol[] = ['TCP', 'UDP'];

/**
 * | says UDP                   | whose mark that is            |
 * |----------------------------|-------------------------------|
 * | the tag `udp`              | registrator's                 |
 * | an ID that ends in `:udp`  | registrator's, and Consular's |
 * | meta, or tag, `protocol=udp` | of people                   |
 *
 * Whatever says none of these is TCP.
 */
export function protocolOf(instance: Pick<ServiceInstance, 'id' | 'tags' | 'meta'>): InstanceProtocol {
  const { id, tags } = instance;
  const isUdp = tags.includes('udp') || id.endsWith(':udp') || declaredProtocol(instance).toLowerCase() === 'udp';
  return isUdp ? 'UDP' : 'TCP';
}

/** Meta `protocol`, else a tag `protocol=`; empty when neither says anything. */
export function declaredProtocol({ meta, tags }: Pick<ServiceInstance, 'tags' | 'meta'>): string {
  return meta.get('protocol') ?? tags.find((tag) => tag.startsWith('protocol='))?.slice('protocol='.length) ?? '';
}
