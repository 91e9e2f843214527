import { settingNames, settings, type Config } from './config';
import { contradictions } from './setting-rules';
import { unknownSettings } from './unknown-settings';

/**
 * Invalid settings. The message has one line per problem: name, problem, example. Names that are like those of settings follow,
 * since a setting may be missing because of such a name.
 */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`Likeness cannot start with these settings:\n${problems.map((line) => `  ${line}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

/**
 * Parses the settings. An empty value counts as not set.
 * @throws ConfigError listing every invalid setting
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const nonEmpty = Object.fromEntries(Object.entries(environment).filter(([, value]) => value?.trim()));
  const parsed = settings.safeParse(nonEmpty);
  if (!parsed.success) {
    throw errorOf(
      environment,
      parsed.error.issues.map((issue) => `${String(issue.path[0])} ${issue.message}`),
    );
  }
  const config = {
    ...parsed.data,
    UPSTREAM: parsed.data.UPSTREAM ?? (parsed.data.PICSART_API_KEY ? 'picsart' : 'sandbox'),
  } as const;
  const problems = contradictions(config);
  if (problems.length > 0) throw errorOf(environment, problems);
  return config;
}

function errorOf(
  environment: Readonly<Record<string, string | undefined>>,
  problems: readonly string[],
): ConfigError {
  const unknown = unknownSettings(environment, settingNames);
  return new ConfigError([
    ...problems,
    ...unknown.map(({ name, nearest }) => `${name} is not a setting; did you mean ${nearest}?`),
  ]);
}
