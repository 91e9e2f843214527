import { settingNames } from '../../src/config';
import { unknownSettings } from '../../src/unknown-settings';

describe('unknown settings', () => {
  it('are variables that begin like a setting, with the setting of the most similar name', () => {
    const environment = {
      ...{ PICSART_KEY: 'secret', QUOTA_TRAINING_PER_DAY: '3', PUBLIC_ULR: '', JWT_AUDIENCES: 'likeness' },
      ...{ PATH: '/bin', HOME: '/', PORTAL: '1', AUTHOR: 'x', PORT: '4000', DATA_DIR: 'x' },
    };
    expect(unknownSettings(environment, settingNames)).toEqual([
      { name: 'JWT_AUDIENCES', nearest: 'JWT_AUDIENCE' },
      { name: 'PICSART_KEY', nearest: 'PICSART_API_KEY' },
      { name: 'PUBLIC_ULR', nearest: 'PUBLIC_URL' },
      { name: 'QUOTA_TRAINING_PER_DAY', nearest: 'QUOTA_TRAININGS_PER_DAY' },
    ]);
  });
});
