// Interrupt stubs, 8 bytes apart: the return address that a stub's call pushes tells which one it was. An exception
// builds one frame and calls Rust, which never returns. A device or timer interrupt marks its line, ends the interrupt
// at the local APIC and returns: no Rust code runs inside an interrupted program.

.pushsection .text.traps, "ax", @progbits
.altmacro

// Exceptions 0 to 31. Those for which the processor pushes no error code push a zero (Intel SDM 3A, 6.3.1).
.macro exception_stub vector
    .balign 8
    .if ((0x60227d00 >> \vector) & 1) == 0
    push 0
    .endif
    call exception_common
.endm
.balign 8
.global exception_stubs
exception_stubs:
.set number, 0
.rept 32
    exception_stub %number
    .set number, number + 1
.endr
.noaltmacro

// Lines, at vectors from 32 on.
.balign 8
.global line_stubs
line_stubs:
.rept {lines}
    .balign 8
    call line_common
.endr

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
    // The return address, where the frame has its vector.
    mov rax, [rdi + 15 * 8]
    sub rax, offset exception_stubs
    shr rax, 3
    mov [rdi + 15 * 8], rax
    cld
    and rsp, -16
    call {fault}
    ud2

line_common:
    xchg rax, [rsp]
    sub rax, offset line_stubs
    shr rax, 3
    mov byte ptr [rax + {pending}], 1
    mov byte ptr [{any}], 1
    mov eax, 0xfee000b0     // end of interrupt (Intel SDM 3A, 10.8.5)
    mov dword ptr [rax], 0
    pop rax
.global spurious_stub
spurious_stub:
    iretq
.popsection
