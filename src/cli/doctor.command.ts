import { Command } from 'commander';
import { settingNames, type Config } from '../config';
import { ConfigError, readConfig } from '../read-config';
import { unknownSettings } from '../unknown-settings';
import { checkDatabase } from './doctor-database';
import { checkBucket, checkFolders, checkPublicUrl, checkUpstream } from './doctor-environment';
import { finding, type Finding } from './doctor-finding';
import { checkRedis } from './doctor-redis';
import { messageOf } from './messages';
import { jsonOf, tableOf } from './printout';
import { CommandError, type Shell } from './shell';

/** `likeness doctor`: checks the installation. */
export function doctorCommand(shell: Shell): Command {
  return new Command('doctor')
    .description(
      'check settings, folders, disk, database, Redis, clock, avatar service and public URL; exit code 1 if something must be fixed',
    )
    .option('--json', 'print JSON')
    .action(async ({ json = false }: { json?: boolean }) => {
      const findings = await examine(shell);
      const rows = findings.map(({ check, result, detail }) => [check, result.toUpperCase(), detail]);
      const cures = findings
        .filter(({ cure }) => cure !== null)
        .map(({ check, cure }) => `${check}: ${cure}`);
      const text = [
        tableOf(['check', 'result', 'detail'], rows),
        ...(cures.length > 0 ? [cures.join('\n')] : []),
      ];
      shell.print(json ? jsonOf(findings) : text.join('\n\n'));
      const failed = findings.filter(({ result }) => result === 'fail').length;
      if (failed > 0) throw new CommandError(`${failed} of ${findings.length} checks failed.`);
    });
}

async function examine(shell: Shell): Promise<Finding[]> {
  const unknown = unknownSettings(shell.environment, settingNames).map(({ name, nearest }) =>
    finding(
      'settings',
      'warn',
      `${name} is not a setting`,
      `Did you mean ${nearest}? Otherwise ignore this.`,
    ),
  );
  let config: Config;
  try {
    config = readConfig(shell.environment);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const cure = 'Set them as the messages say; docs/settings.md describes them.';
    return [finding('settings', 'fail', error.problems.join('; '), cure)];
  }
  const from = config.DATABASE_URL === undefined ? `in ${config.DATA_DIR}` : 'at DATABASE_URL';
  return [
    finding('settings', 'ok', `AUTH=${config.AUTH.join(',')}, UPSTREAM=${config.UPSTREAM}, database ${from}`),
    ...unknown,
    ...(await attempt('folders', () => checkFolders(config))),
    ...(await attempt('bucket', () => checkBucket(config))),
    ...(await attempt('database', () => checkDatabase(shell))),
    ...(await attempt('Redis', () => checkRedis(config))),
    ...(await attempt('avatar service', () => checkUpstream(config))),
    ...(await attempt('public URL', () => checkPublicUrl(config))),
  ];
}

/** A check that cannot be made has failed. */
async function attempt(check: string, examined: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await examined();
  } catch (error) {
    return [
      finding(check, 'fail', messageOf(error), 'Correct this first, then run `likeness doctor` again.'),
    ];
  }
}
