import { settingNames } from '../../src/config';
import { unknownSettings } from '../../src/unknown-settings';

describe('unknown settings', () => {
  it('are variables that begin like a setting, with the setting of the most similar name', () => {
    const environment = {
      ...{ PICSART_KEY: 'secret', QUOTA_TRAINING_PER_DAY: '3', PUBLIC_ULR: '', JWT_AUDIENCES: 'likeness' },
      ...{ DATABASE_ULR: 'tcp://10.0.0.1:5432' },
      ...{ PATH: '/bin', HOME: '/', PORTAL: '1', AUTHOR: 'x', PORT: '4000', DATA_DIR: 'x' },
    };
    expect(unknownSettings(environment, settingNames)).toEqual([
      { name: 'DATABASE_ULR', nearest: 'DATABASE_URL' },
      { name: 'JWT_AUDIENCES', nearest: 'JWT_AUDIENCE' },
      { name: 'PICSART_KEY', nearest: 'PICSART_API_KEY' },
      { name: 'PUBLIC_ULR', nearest: 'PUBLIC_URL' },
      { name: 'QUOTA_TRAINING_PER_DAY', nearest: 'QUOTA_TRAININGS_PER_DAY' },
    ]);
  });

  it('are variables that extend a setting of one word', () => {
    const environment = { PORTS: '80', AUTH_MODE: 'keys', AUTHS: 'keys', ROLE_OF_PROCESS: 'api' };
    expect(unknownSettings(environment, settingNames)).toEqual([
      { name: 'AUTHS', nearest: 'AUTH' },
      { name: 'AUTH_MODE', nearest: 'AUTH' },
      { name: 'PORTS', nearest: 'PORT' },
      { name: 'ROLE_OF_PROCESS', nearest: 'ROLE' },
    ]);
  });

  it('are not variables that Docker, Kubernetes and other programs set', () => {
    const environment = {
      ...{
        PORT_5432_TCP: 'tcp://10.0.0.1:5432',
        PORT_5432_TCP_ADDR: '10.0.0.1',
        REDIS_PORT: 'tcp://10.0.0.1:6379',
      },
      ...{ REDIS_SERVICE_HOST: '10.0.0.1', REDIS_SERVICE_PORT: '6379', AUTH_SERVICE_PORT_HTTP: '80' },
      ...{ AUTH_TOKEN: 'secret', HOST_IP: '10.0.0.1', HOSTNAME: 'gateway', HOSTTYPE: 'x86_64' },
    };
    expect(unknownSettings(environment, settingNames)).toEqual([]);
  });
});
