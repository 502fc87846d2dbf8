import type { Container, ContainerPort, EnvVar } from '../../../../src/kubernetes/objects.ts';
import { registratorServices, type RegistratorService } from '../../../../src/to-consul/requests/registrator.ts';
import { container, pod } from '../../builders.ts';

export const variable = (name: string, value: string): EnvVar => ({ name, value, fieldPath: undefined });

/** `8080`, `53/udp`. */
function port(text: string): ContainerPort {
  const [number, protocol] = text.split('/');
  return { name: '', port: Number(number), protocol: protocol === 'udp' ? 'UDP' : 'TCP' };
}

export const ports = (text: string) => (text === '' ? [] : text.split(',').map(port));

/** `NAME=web; 8080_TAGS=x`: what stands in front is `SERVICE_`, unless the name is in lower case. */
export function environment(text: string): EnvVar[] {
  return text
    .split('; ')
    .filter((entry) => entry !== '')
    .map((entry) => {
      const at = entry.indexOf('=');
      const name = entry.slice(0, at);
      return variable(name.startsWith('service_') ? name : `SERVICE_${name}`, entry.slice(at + 1));
    });
}

export interface Options {
  readonly explicit?: boolean;
  readonly image?: string;
}

export const given = (...containers: Partial<Container>[]) =>
  pod({ podIPs: ['10.1.2.3'], containers: containers.map((overrides) => container(overrides)) });

export function read(listed: string, env: string, { explicit = false, image = 'shop/orders:1.4' }: Options = {}) {
  return registratorServices(given({ ports: ports(listed), env: environment(env), image }), { explicit });
}

export const names = (services: readonly RegistratorService[]) =>
  services.map(({ name, port, udp }) => `${name} ${port}${udp ? '/udp' : ''}`);
