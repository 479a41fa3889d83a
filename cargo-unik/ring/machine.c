// What ring is told of the processor in an image.
//
// Images do not save the upper halves of the vector registers, and the code for AVX, for ADX and the joined code for SSE4.1 is
// left out of them, as it is large. So ring must not see that a processor has these.
//
// Nor is there the table of 150,000 bytes by which ring verifies signatures of P-256.

#include <ring-core/base.h>

#include "crypto/fipsmodule/ec/p256_shared.h"
#include "crypto/limbs/limbs.h"

#undef OPENSSL_cpuid_setup
#define OPENSSL_cpuid_setup look_at_processor
#include "crypto/cpu_intel.c"

#define BIT(number) (1u << (number))

void RING_CPUID_SETUP(uint32_t out[4]);

// Intel SDM 2A, CPUID: leaf 1 with EDX and ECX, leaf 7 with EBX and ECX.
void RING_CPUID_SETUP(uint32_t out[4]) {
  look_at_processor(out);
  out[1] &= ~(BIT(19) /* SSE4.1 */ | BIT(28) /* AVX */);
  out[2] &= ~(BIT(3) /* BMI1 */ | BIT(5) /* AVX2 */ | BIT(8) /* BMI2 */ | BIT(19) /* ADX */);
  out[3] &= ~(BIT(9) /* VAES */ | BIT(10) /* VPCLMULQDQ */);
}

void p256_point_mul_base(Limb r[3][P256_LIMBS], const Limb scalar[P256_LIMBS]);
void p256_point_mul_base_vartime(Limb r[3][P256_LIMBS], const Limb scalar[P256_LIMBS]);

// A multiple of the generator: that of a secret number takes the same time for each, which is well for one that is none.
void p256_point_mul_base_vartime(Limb r[3][P256_LIMBS], const Limb scalar[P256_LIMBS]) {
  p256_point_mul_base(r, scalar);
}
