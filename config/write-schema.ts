import { readFile, writeFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';
import { createJsonSchema } from './json-schema.ts';

/** Writes consular.schema.json from the code: `npm run schema`. */
const file = new URL('consular.schema.json', import.meta.url);

const text = await format(JSON.stringify(createJsonSchema()), {
  ...(await resolveConfig(file)),
  parser: 'json',
});
const before = await readFile(file, 'utf8').catch(() => '');
if (text === before) {
  process.stdout.write('config/consular.schema.json is up to date\n');
} else {
  await writeFile(file, text);
  process.stdout.write('config/consular.schema.json was written\n');
}
