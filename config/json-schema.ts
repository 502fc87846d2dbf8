import { z } from 'zod';
import { configSchema } from '../src/config/schema.ts';

/** The schema of the configuration file for editors and other tools: what may be written, before defaults are filled in. */
export function createJsonSchema(): Record<string, unknown> {
  const schema: Record<string, unknown> = z.toJSONSchema(configSchema, { io: 'input' });
  const { $schema, ...rest } = schema;
  return { $schema, title: 'Configuration of Consular', ...rest };
}
