// PVH entry: 32-bit protected mode, paging off, EBX = physical address of hvm_start_info, no stack, no GDT.
// https://xenbits.xen.org/docs/unstable/misc/pvh.html

.pushsection .note.pvh, "a", @note
.balign 4
    .long 4                 // size of the name
    .long 4                 // size of the entry point
    .long 18                // XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long pvh_entry
.popsection

.pushsection .text.boot, "ax"
.code32
.global pvh_entry
pvh_entry:
    cld
    cli
    // The time stamp of the first instruction: every figure about booting counts from here.
    rdtsc
    mov dword ptr [boot_ticks], eax
    mov dword ptr [boot_ticks + 4], edx

// The first GiB, identity-mapped with 2 MiB pages, until kernel/src/memory/ has built the tables that protect.
// The loader has cleared .bss, so only entries that differ from zero are written.
map_first_gib:
    mov dword ptr [boot_pml4], offset boot_pdpt + 3
    mov dword ptr [boot_pdpt], offset boot_pd + 3
    mov edi, offset boot_pd
    mov eax, 0x83           // present, writable, large
2:  mov dword ptr [edi], eax
    add edi, 8
    add eax, 0x200000
    cmp eax, 0x40000000
    jb 2b

enter_long_mode:
    mov eax, cr4
    or eax, 0x6a0           // PAE, PGE, OSFXSR, OSXMMEXCPT
    mov cr4, eax
    mov eax, offset boot_pml4
    mov cr3, eax
    mov ecx, 0xc0000080     // EFER
    rdmsr
    or eax, 0x900           // LME, NXE
    wrmsr
    mov eax, 0x80010033     // PG, WP, NE, ET, MP, PE; EM and TS clear: SSE works
    mov cr0, eax
    lgdt [boot_gdt_pointer]
    ljmp 8, offset long_mode

.code64
long_mode:
    xor eax, eax
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov fs, eax
    mov gs, eax
    mov esp, offset stack_top
    mov edi, ebx            // zero-extends: the first argument
    xor ebp, ebp            // where a backtrace ends
    call {start}
    ud2
.popsection

.pushsection .rodata.boot, "a"
.balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9a000000ffff // 64-bit code
boot_gdt_pointer:
    .word 15
    .long boot_gdt
.popsection

.pushsection .bss.boot, "aw", @nobits
.balign 4096
boot_pml4: .skip 4096
boot_pdpt: .skip 4096
boot_pd: .skip 4096
.global boot_ticks
.type boot_ticks, @object
.size boot_ticks, 8
boot_ticks: .skip 8
.popsection
