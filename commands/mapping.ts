/** Which mapping file a command reads, and how its mistakes are told. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadMapping, type Mapping } from '../shared/mapping/load.ts';
import type { Config } from '../shared/service/config.ts';
import { SyncError } from '../shared/service/errors.ts';
import { packageRoot } from '../shared/service/package-root.ts';

export interface ChosenMapping {
  readonly mapping: Mapping;
  readonly file: string;
  /** For the terminal: the file, and why that one. */
  readonly says: string;
}

/**
 * The mapping file of the settings. Where none was named and the folder has none, the embedded demo
 * uses the one that is shipped for its tables.
 */
export async function chooseMapping(config: Config): Promise<ChosenMapping> {
  const shipped = join(packageRoot, 'sync.yaml');
  if (!existsSync(config.mappingFile)) {
    if (config.mappingFileGiven || !config.embedded) {
      throw new SyncError(
        'MAPPING_MISSING',
        `There is no mapping file ${config.mappingFile} (MAPPING_FILE).`,
        {
          disposition: 'stop',
          advice: `Copy the shipped example ${shipped} and name your own tables in it.`,
          facts: { file: config.mappingFile },
        },
      );
    }
    return {
      mapping: await loadMapping(shipped),
      file: shipped,
      says: `${shipped} (the shipped one: there is no ${config.mappingFile} here)`,
    };
  }
  return {
    mapping: await loadMapping(config.mappingFile),
    file: config.mappingFile,
    says: config.mappingFile,
  };
}
