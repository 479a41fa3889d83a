// What ring is told of the processor in an image.
//
// Images do not save the upper halves of the vector registers, and the code for AVX, for ADX and the joined code for SSE4.1 is
// left out of them, as it is large. So ring must not see that a processor has these.

#include <ring-core/base.h>

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
