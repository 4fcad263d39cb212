import { expect, test } from 'vitest';
import { fakeServices } from '../fakes/services.ts';
import { CONTRACT_FILES, CONTRACT_MASKED, contract } from './contract.ts';

const fake = fakeServices({ files: CONTRACT_FILES, masked: CONTRACT_MASKED });
contract('the fake', () => fake);

test('without systemd every question is refused with what works instead', async () => {
  const none = fakeServices();
  expect(none.available().value).toBeNull();
  await expect(none.list()).rejects.toMatchObject({ code: 'unavailable' });
});
