// Interrupt stubs, 4 bytes apart: each pushes its number and jumps. An exception builds one frame and calls Rust, which
// never returns. A device or timer interrupt counts on its line, ends the interrupt at the local APIC and returns with
// interrupts off, so that a line that is raised for ever cannot hold the processor: no Rust code runs inside an interrupted
// program.

.pushsection .text.traps, "ax", @progbits
.altmacro

// Exceptions 0 to 31. For some the processor has pushed an error code (Intel SDM 3A, 6.3.1).
.macro exception_stub vector
    push \vector
    .if ((0x60227d00 >> \vector) & 1) == 0
    jmp exception_without_code
    .else
    jmp exception_common
    .endif
.endm
.global exception_stubs
exception_stubs:
.set number, 0
.rept 32
    exception_stub %number
    .set number, number + 1
.endr
.noaltmacro

// An error where a stub is longer than 4 bytes.
.org exception_stubs + 32 * 4

// A zero takes the place of the error code, and the vector goes behind it.
exception_without_code:
    push qword ptr [rsp]
    mov qword ptr [rsp + 8], 0
exception_common:
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    push rdi
    push rbp
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    mov rdi, rsp
    cld
    and rsp, -16
    call {fault}
    ud2

// Lines, at vectors from 32 on.
.altmacro
.macro line_stub line
    push \line
    jmp line_common
.endm
.global line_stubs
line_stubs:
.set number, 0
.rept {lines}
    line_stub %number
    .set number, number + 1
.endr
.noaltmacro
.org line_stubs + {lines} * 4

line_common:
    xchg rax, [rsp]
    inc dword ptr [4 * rax + {pending}]
    bts dword ptr [{any}], eax
interrupt_ends:
    and byte ptr [rsp + 25], 0xfd   // the interrupt flag of the interrupted program: bit 9 behind a word, address and code
    mov eax, 0xfee000b0     // end of interrupt (Intel SDM 3A, 10.8.5)
    mov dword ptr [rax], 0
    pop rax
    iretq

// At vectors that are nobody's. One that vanished before it was taken is not to be ended, lest another is (10.9); here no
// other is ever in service.
.global stray_stub
stray_stub:
    push rax
    inc dword ptr [{stray}]
    or byte ptr [{any}], 1  // the timer's: it has no device, and whoever is idle looks
    jmp interrupt_ends
.popsection
