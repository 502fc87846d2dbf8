import { matchesPattern } from '../../config/pattern.ts';
import type { ServiceInstance } from '../../consul/types.ts';

/** A setting: Consul services by a pattern of their lower-case names, and the tags that are to have Services of their own. */
export interface TagServices {
  readonly service: string;
  readonly tags: readonly string[];
}

/** The instances of a Consul service that have a tag, as a service of their own: what Consul's DNS calls `tag.service`. */
export interface TagService {
  /** Its name here, lower case: `service/tag`. */
  readonly name: string;
  /** Of the Consul service, lower case. */
  readonly service: string;
  /** Consul's DNS ignores case, and so do we. */
  readonly tag: string;
}

/** The Services for single tags that a Consul service is to have, by its lower-case name. */
export function tagServicesOf(settings: readonly TagServices[], service: string): TagService[] {
  const tags = settings.flatMap((setting) => (matchesPattern(setting.service, service) ? setting.tags : []));
  return [...new Set(tags.map((tag) => tag.toLowerCase()))].map((tag) => ({ name: `${service}/${tag}`, service, tag }));
}

/** What a lower-case name is that stands for one tag; undefined for the name of a Consul service. */
export function tagServiceNamed(settings: readonly TagServices[], name: string): TagService | undefined {
  for (const { tags } of settings)
    for (const tag of tags) {
      const end = `/${tag.toLowerCase()}`;
      const service = name.slice(0, -end.length);
      if (!name.endsWith(end) || service === '') continue;
      const found = tagServicesOf(settings, service).find((candidate) => candidate.name === name);
      if (found) return found;
    }
  return undefined;
}

/** The Consul service that a lower-case name is of: its own, but for one that stands for a tag. */
export function consulServiceOf(settings: readonly TagServices[], name: string): string {
  return tagServiceNamed(settings, name)?.service ?? name;
}

export function instancesWith(instances: readonly ServiceInstance[], { tag }: Pick<TagService, 'tag'>) {
  return instances.filter(({ tags }) => tags.some((candidate) => candidate.toLowerCase() === tag));
}
