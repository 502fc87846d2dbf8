import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { releaseChangelog } from './changelog.ts';
import { PLACES, withVersion } from './places.ts';

const CHANGELOG = 'CHANGELOG.md';

/** The files of a place: itself, or the pages in that folder. */
export function filesAt(root: string, path: string): string[] {
  if (!statSync(join(root, path)).isDirectory()) return [path];
  return readdirSync(join(root, path), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(path, name))
    .sort();
}

/** Each file that the release changes, with its new text. Nothing is written. */
export function releasedFiles(root: string, version: string, date: string): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  const textOf = (file: string) => texts.get(file) ?? readFileSync(join(root, file), 'utf8');
  texts.set(CHANGELOG, releaseChangelog(textOf(CHANGELOG), version, date));
  for (const place of PLACES)
    for (const file of filesAt(root, place.path)) texts.set(file, withVersion(place, textOf(file), version));
  return new Map([...texts].filter(([file, text]) => text !== readFileSync(join(root, file), 'utf8')));
}
